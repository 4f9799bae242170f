"""Drawings: the same shapes by other hands."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dynfocus_cli.synth.drawing import STANDARD, Drawing
from dynfocus_cli.synth.look import WIDE_LOOKS, Look
from dynfocus_cli.synth.render import coverage, render_frame
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Actor, Background, Scene, Script, Thing

SIZE = 120
DRAWN = [shape for shape in SHAPES if shape not in DIGITS]
OTHER = WIDE_LOOKS["drawings"]


def script(shape: str, radius: float = 0.2) -> Script:
    ground = Background("plain", ((30, 30, 30), (30, 30, 30)), 0)
    return Script(0, 8, (Scene(0, 0, 8, ground, (Actor(Thing("red", shape), 0, 8, 1, 1, radius),)),))


def mask(shape: str, look: Look) -> np.ndarray:
    (seen,) = script(shape).scenes[0].at(0)
    return coverage(seen, SIZE, look) > 127


@pytest.mark.parametrize("shape", DRAWN)
def test_the_standard_drawing_is_the_world_s_own(shape: str) -> None:
    """Polygons, ellipses and masks agree but for the pixels of the edge."""
    usual = mask(shape, Look())
    through_polygons = mask(shape, Look(drawing=replace(STANDARD, tilt_deg=1e-6)))
    assert (usual ^ through_polygons).sum() < 0.12 * usual.sum()


@pytest.mark.parametrize("shape", DRAWN)
def test_another_hand_draws_another_picture_of_the_shape(shape: str) -> None:
    usual, other = mask(shape, Look(smooth=True)), mask(shape, OTHER)
    assert 0 < (usual ^ other).sum() < 0.9 * (usual | other).sum()


@pytest.mark.parametrize("drawing", [OTHER.drawing, Drawing(house="plain", tree="three tiers", moon="thin")])
def test_shapes_differ_in_each_drawing(drawing: Drawing) -> None:
    masks = {shape: mask(shape, Look(smooth=True, drawing=drawing)) for shape in DRAWN}
    for one, other in itertools.combinations(DRAWN, 2):
        assert (masks[one] ^ masks[other]).sum() > 100, (one, other)


def test_hollow_shapes_lack_their_middle_and_circles_keep_it() -> None:
    look = Look(smooth=True, drawing=Drawing(hollow=True))
    middle = SIZE // 2
    assert not mask("square", look)[middle, middle]
    assert mask("circle", look)[middle, middle]
    assert not mask("ring", look)[middle, middle]


def test_digits_are_left_alone() -> None:
    assert np.array_equal(mask("4", OTHER), mask("4", Look(smooth=True)))


def test_contours_and_shading_change_colours_and_no_shape() -> None:
    plain = Look(smooth=True, drawing=Drawing(star_points=6))
    lined = replace(plain, drawing=Drawing(star_points=6, contour=0.1, shading=0.2))
    assert np.array_equal(mask("star", plain), mask("star", lined))
    frame = render_frame(script("square"), 0, SIZE, replace(lined, drawing=Drawing(contour=0.1, shading=0.2)))
    column = frame[:, SIZE // 2].astype(int)
    assert (column.sum(1) < 45).sum() >= 2, "dark lines above and below"
    assert column[SIZE // 2 - 15, 0] > COLORS["red"][0] > column[SIZE // 2 + 15, 0]
