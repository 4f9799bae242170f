"""Painted frames."""

from __future__ import annotations

import numpy as np
import pytest

from dynfocus_cli.synth.render import coverage, render_frame
from dynfocus_cli.synth.world import COLORS, SHAPES, Actor, Background, Scene, Script, Thing, write_script

GREY = Background("plain", ((20, 20, 20), (20, 20, 20)), 0)


def one_thing(thing: Thing, row: float = 1, column: float = 1, **more) -> Script:
    actor = Actor(thing, 0, 8, row, column, 0.13, **more)
    return Script(0, 8, (Scene(0, 0, 8, GREY, (actor,)),))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [64, 100])
def test_a_script_is_its_frames(seed: int, size: int) -> None:
    script = write_script(seed)
    for second in (0, 3, script.duration_s - 1):
        frame = render_frame(script, second, size)
        assert frame.shape == (size, size, 3)
        assert frame.dtype == np.uint8
        assert np.array_equal(frame, render_frame(write_script(seed), second, size))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thing_is_painted_in_its_colour_in_its_cell(shape: str) -> None:
    script = one_thing(Thing("red", shape), row=0, column=2)
    frame = render_frame(script, 0, 96).astype(int)
    painted = (np.abs(frame - COLORS["red"]).sum(-1) < 30).nonzero()
    assert len(painted[0]) > 40
    assert painted[0].max() < 96 / 3
    assert painted[1].min() >= 2 * 96 / 3 - 1
    mask = coverage(script.scenes[0].at(0)[0], 96) > 127
    assert mask[painted].mean() > 0.95


def test_shapes_differ() -> None:
    masks = [coverage(one_thing(Thing("red", shape)).scenes[0].at(0)[0], 64) > 127 for shape in SHAPES]
    for place, mask in enumerate(masks):
        for other in masks[:place]:
            assert (mask ^ other).sum() >= 15


def test_a_colour_change_and_motion_are_seen() -> None:
    script = one_thing(Thing("red", "circle"), turns=(4, "blue"))
    assert tuple(render_frame(script, 3.9, 90)[45, 45]) == COLORS["red"]
    assert tuple(render_frame(script, 4.0, 90)[45, 45]) == COLORS["blue"]
    script = one_thing(Thing("red", "circle"), column=0, direction="right")
    assert tuple(render_frame(script, 0, 90)[45, 15]) == COLORS["red"]
    assert tuple(render_frame(script, 4, 90)[45, 45]) == COLORS["red"]
    assert tuple(render_frame(script, 4, 90)[45, 15]) != COLORS["red"]
