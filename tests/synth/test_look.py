"""Looks: other pixels of the same story."""

from __future__ import annotations

import colorsys
import hashlib
import itertools
import random

import numpy as np
import pytest

from dynfocus_cli.synth.digits import BUILT_IN, EXAM_FONT, FONTS
from dynfocus_cli.synth.look import LOOKS, PLAIN, WIDE_LOOKS, Look
from dynfocus_cli.synth.render import coverage, render_frame
from dynfocus_cli.synth.world import (
    COLORS,
    DIGITS,
    SHAPES,
    WIDE,
    Actor,
    Background,
    Scene,
    Script,
    Thing,
    write_script,
)
from dynfocus_tiny.digit_fonts import TRAINING_FONTS
from dynfocus_tiny.looks import TrainingLook, training_look

BLACK = Background("plain", ((0, 0, 0), (0, 0, 0)), 0)
SIZE = 96


def actor(thing: Thing, row: float = 1, column: float = 1) -> Actor:
    return Actor(thing, 0, 8, row, column, 0.13)


def stage(*actors: Actor) -> Script:
    return Script(0, 8, (Scene(0, 0, 8, BLACK, actors),))


def middle_of(color: str, look: Look) -> np.ndarray:
    frame = render_frame(stage(actor(Thing(color, "square"))), 0, SIZE, look)
    return frame[SIZE // 2, SIZE // 2]


def test_the_plain_look_is_as_it_always_was() -> None:
    digest = hashlib.sha256()
    for seed in range(20):
        script = write_script(seed)
        if any(a.thing.shape in DIGITS for scene in script.scenes for a in scene.actors):
            continue  # how FreeType rasters a font may change with its version
        for second in range(0, script.duration_s, 3):
            plain = render_frame(script, second, 64)
            assert np.array_equal(plain, render_frame(script, second, 64, Look()))
            digest.update(plain.tobytes())
    assert digest.hexdigest() == "84a27d897f730ef2902e6377efea80a0c2a37d31f3ebe883827766147ab27e29"


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_changes_pixels_alone_and_always_alike(name: str) -> None:
    changed = False
    for seed in range(12):
        script = write_script(seed)
        frame = render_frame(script, 2.0, SIZE, LOOKS[name])
        assert frame.shape == (SIZE, SIZE, 3)
        assert np.array_equal(frame, render_frame(script, 2.0, SIZE, LOOKS[name]))
        plain = render_frame(script, 2.0, SIZE)
        changed |= not np.array_equal(frame, plain)
        assert np.abs(frame.astype(int) - plain).mean() < 12, "it is the same picture still"
    assert changed == (LOOKS[name] != PLAIN)


@pytest.mark.parametrize("shape", SHAPES)
def test_smooth_edges_cover_as_much_as_hard_ones(shape: str) -> None:
    (seen,) = stage(actor(Thing("red", shape), 0.03, 1.98)).scenes[0].at(0)
    hard, smooth = (coverage(seen, SIZE, Look(smooth=smooth)) / 255 for smooth in (False, True))
    assert set(np.unique(hard)) <= {0.0, 1.0} or shape in DIGITS
    assert ((smooth > 0.1) & (smooth < 0.9)).any()
    assert smooth.sum() == pytest.approx(hard.sum(), rel=0.2)
    assert np.abs(smooth - hard).sum() < 0.35 * hard.sum()


def test_a_smooth_thing_may_reach_over_the_edge() -> None:
    script = stage(actor(Thing("red", "square"), -0.4, 2.4))
    frame = render_frame(script, 0, SIZE, Look(smooth=True))
    assert tuple(frame[0, -1]) == COLORS["red"]


@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("smooth", [False, True])
def test_each_fonts_digits_differ_and_stay_in_their_cell(font: str, smooth: bool) -> None:
    look = Look(digits=font, smooth=smooth)
    masks = {
        digit: coverage(stage(actor(Thing("red", digit))).scenes[0].at(0)[0], 64, look) > 127
        for digit in DIGITS
    }
    for mask in masks.values():
        rows, columns = mask.nonzero()
        assert 30 < len(rows) < 220
        assert 64 / 3 <= rows.min() <= rows.max() <= 2 * 64 / 3
        assert 64 / 3 <= columns.min() <= columns.max() <= 2 * 64 / 3
    for one, other in itertools.combinations(DIGITS, 2):
        assert (masks[one] ^ masks[other]).sum() >= 6, (one, other)


def test_fonts_differ_in_every_digit_and_leave_all_else_alone() -> None:
    for digit in DIGITS:
        seen = stage(actor(Thing("red", digit))).scenes[0].at(0)[0]
        masks = [coverage(seen, SIZE, Look(digits=font)) for font in FONTS]
        assert all((one != other).sum() > 15 for one, other in itertools.combinations(masks, 2)), digit
    star = stage(actor(Thing("red", "star")))
    assert np.array_equal(render_frame(star, 0, SIZE, Look(digits=EXAM_FONT)), render_frame(star, 0, SIZE))


@pytest.mark.parametrize("color", [color for color in COLORS if color != "white"])
@pytest.mark.parametrize("turn", [-15.0, 15.0])
def test_hues_turn_as_said_and_keep_their_luma(color: str, turn: float) -> None:
    plain, turned = middle_of(color, PLAIN) / 255, middle_of(color, Look(hue_deg=turn)) / 255
    hues = [360 * colorsys.rgb_to_hsv(*pixel)[0] for pixel in (plain, turned)]
    found = (hues[1] - hues[0] + 180) % 360 - 180
    # Equal angles in the plane of chroma are not quite equal ones on the hexagon of HSV.
    assert 8 < found * np.sign(turn) < 28
    luma = np.array([0.299, 0.587, 0.114])
    assert turned @ luma == pytest.approx(plain @ luma, abs=0.03)


def test_colours_stay_apart_at_the_exams_turns() -> None:
    """The nearest two colours of one picture, and of two pictures that are turned apart."""
    pixels = {(c, t): middle_of(c, Look(hue_deg=t)).astype(int) for c in COLORS for t in (-15, 0, 15)}
    for (one, here), (other, there) in itertools.combinations(pixels, 2):
        if one != other:
            distance = np.abs(pixels[one, here] - pixels[other, there]).sum()
            assert distance > (80 if here == there else 30), (one, here, other, there)


def test_grading() -> None:
    assert (middle_of("blue", TrainingLook(gain=0.5)) < middle_of("blue", PLAIN)).all()
    assert (middle_of("blue", TrainingLook(gamma=2.0)) < middle_of("blue", PLAIN)).all()
    assert np.ptp(middle_of("red", TrainingLook(saturation=0.0)).astype(int)) <= 1
    moved = render_frame(stage(actor(Thing("red", "square"))), 0, SIZE, TrainingLook(noise=5.0)).astype(int)
    plain = render_frame(stage(actor(Thing("red", "square"))), 0, SIZE).astype(int)
    middle = np.s_[40:56, 40:56]
    assert 3 < (moved - plain)[middle][..., 0].std() < 7
    again = render_frame(stage(actor(Thing("red", "square"))), 1, SIZE, TrainingLook(noise=5.0))
    assert not np.array_equal(moved, again), "each frame has a grain of its own"
    blurred = render_frame(stage(actor(Thing("red", "square"))), 0, SIZE, TrainingLook(blur=0.02)).astype(int)
    assert 0 < np.abs(np.diff(blurred[..., 0], axis=1)).max() < np.abs(np.diff(plain[..., 0], axis=1)).max()
    coded = render_frame(stage(actor(Thing("red", "square"))), 0, SIZE, TrainingLook(quality=20)).astype(int)
    assert 0 < np.abs(coded - plain).mean() < 5
    canvas = render_frame(stage(actor(Thing("red", "square"))), 0, SIZE, TrainingLook(canvas=2 * SIZE))
    assert canvas.shape == plain.shape


@pytest.mark.parametrize(
    "wrong",
    [
        {"digits": "gothic"},
        {"gain": 0.0},
        {"noise": -1.0},
        {"saturation": -0.1},
        {"canvas": 0},
        {"quality": 100},
        {"gamma": float("nan")},
    ],
)
def test_looks_that_there_cannot_be(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)) if "digits" not in wrong else "gothic"):
        TrainingLook(**wrong)


def test_training_sees_every_font_but_the_exams() -> None:
    looks = [training_look(random.Random(seed)) for seed in range(600)]
    assert looks == [training_look(random.Random(seed)) for seed in range(600)]
    assert {look.digits for look in looks} == {BUILT_IN, *TRAINING_FONTS}
    assert EXAM_FONT not in TRAINING_FONTS
    assert 0.1 < sum(look == PLAIN for look in looks) / len(looks) < 0.3
    assert {look.smooth for look in looks} == {True, False}
    assert min(look.hue_deg for look in looks) < -15
    assert max(look.hue_deg for look in looks) > 15


@pytest.mark.parametrize("name", WIDE_LOOKS)
def test_a_wide_look_keeps_its_proportions(name: str) -> None:
    look = WIDE_LOOKS[name]
    width, height = look.frame_size(SIZE)
    assert width % 2 == height % 2 == 0
    assert width / height == pytest.approx(look.frame_aspect or look.aspect, rel=0.03)
    assert min(look.picture_size(SIZE)) == SIZE
    script = write_script(3, world=WIDE)
    frame = render_frame(script, 2.0, SIZE, look)
    assert frame.shape == (height, width, 3)
    for seen in script.scenes[0].at(2.0):
        assert coverage(seen, SIZE, look).shape == (height, width)


def test_bars_are_black_and_things_stand_in_the_picture_between_them() -> None:
    look = WIDE_LOOKS["bars"]
    seen = actor(Thing("red", "square"), row=1, column=0)
    frame = render_frame(stage(seen), 0, SIZE, look)
    bars = (frame.shape[1] - look.picture_size(SIZE)[0]) // 2
    assert bars > 10
    assert not frame[:, :bars].any()
    mask = coverage(stage(seen).scenes[0].at(0)[0], SIZE, look) > 127
    assert mask.nonzero()[1].min() >= bars
    painted = (np.abs(frame.astype(int) - COLORS["red"]).sum(-1) < 30) & mask
    assert painted.sum() > 0.9 * mask.sum()


def test_a_round_thing_stays_round_in_a_wide_picture() -> None:
    seen = stage(actor(Thing("red", "circle"))).scenes[0].at(0)[0]
    rows, columns = (coverage(seen, SIZE, WIDE_LOOKS["16:9"]) > 127).nonzero()
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1


def test_colours_can_be_exchanged_by_name() -> None:
    look = Look(colors=(("red", (200, 10, 20)),))
    assert tuple(middle_of("red", look)) == (200, 10, 20)
    assert tuple(middle_of("blue", look)) == COLORS["blue"]


@pytest.mark.parametrize("wrong", [{"backdrop": "snow"}, {"aspect": 0.0}, {"frame_aspect": 20.0}])
def test_a_look_that_nothing_can_paint_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"no backdrop 'snow'; there are painted|aspects must lie between"):
        Look(**wrong)
