"""How the shapes of the world are drawn: their outlines, which a look may vary as illustrators do.

An outline is a polygon in a box from -1 to 1, y down.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Outline = list[Point]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One way to draw every shape; the default is how the world has always been drawn."""

    stretch: Point = (1.0, 1.0)
    """Width and height of a thing, as multiples of what they usually are."""
    tilt_deg: float = 0.0
    """Turn about the thing's centre, clockwise; a moon and a fish turn with all others."""
    mirrored: bool = False
    """Left and right exchanged; digits stay as they are."""
    star_points: int = 5
    star_inner: float = 0.42
    """Radius of a star's inner corners, as a share of the outer ones'."""
    ring_width: float = 0.36
    cross_width: float = 0.3
    """Half the width of its bars."""
    diamond_width: float = 0.75
    apex: float = 0.0
    """Where a triangle's upper corner is across, -1 to 1."""
    house: Literal["legs", "plain", "door", "chimney"] = "legs"
    tree: Literal["two tiers", "three tiers", "round"] = "two tiers"
    moon: Literal["old", "thin", "thick"] = "old"
    heart: Literal["curve", "lobes"] = "curve"
    fish_eye: bool = False
    hollow: bool = False
    """Shapes that have no hole of their own are drawn as their edge alone; a circle stays full, being a ring
    else."""
    contour: float = 0.0
    """Width of a dark or light line around each thing, as a share of its radius."""
    contour_light: bool = False
    shading: float = 0.0
    """By how much a thing is lighter above and darker below, as a share."""

    def is_standard(self) -> bool:
        """Whether things are drawn as they always were."""
        return self == STANDARD


STANDARD = Drawing()


def filled(shape: str, drawing: Drawing) -> list[Outline]:
    """What is painted of a shape that is neither a digit, a circle nor a ring."""
    return [list(outline) for outline in _outlines(shape, drawing)[0]]


def cut_out(shape: str, drawing: Drawing) -> list[Outline]:
    """What is left out of that again."""
    return [list(outline) for outline in _outlines(shape, drawing)[1]]


@functools.lru_cache(maxsize=512)
def _outlines(shape: str, drawing: Drawing) -> tuple[list[Outline], list[Outline]]:
    holes: list[Outline] = []
    if shape == "star":
        outlines = [star(drawing.star_points, drawing.star_inner)]
    elif shape == "cross":
        arm = drawing.cross_width
        outlines = [_box(-arm, -1.0, arm, 1.0), _box(-1.0, -arm, 1.0, arm)]
    elif shape == "diamond":
        outlines = [[(0.0, -1.0), (drawing.diamond_width, 0.0), (0.0, 1.0), (-drawing.diamond_width, 0.0)]]
    elif shape == "triangle":
        outlines = [[(drawing.apex, -1.0), (1.0, 0.85), (-1.0, 0.85)]]
    elif shape == "square":
        outlines = [_box(-0.88, -0.88, 0.88, 0.88)]
    elif shape == "heart":
        outlines = _HEARTS[drawing.heart]
    elif shape == "moon":
        outlines = [_MOONS[drawing.moon]]
    elif shape == "house":
        outlines, holes = _HOUSES[drawing.house]
    elif shape == "tree":
        outlines = _TREES[drawing.tree]
    else:
        assert shape == "fish", shape
        outlines = [ellipse(-0.225, 0.0, 0.775, 0.55), [(0.35, 0.0), (1.0, -0.6), (1.0, 0.6)]]
        holes = [ellipse(-0.6, -0.12, 0.1, 0.1)] if drawing.fish_eye else []
    if drawing.hollow and not holes:
        holes = [[(0.6 * x, 0.6 * y + 0.04) for x, y in outline] for outline in outlines[:1]]
    return outlines, holes


def placed(outline: Outline, drawing: Drawing, centre: Point, radius: float) -> Outline:
    """An outline in pixels, around `centre`."""
    cos, sin = math.cos(math.radians(drawing.tilt_deg)), math.sin(math.radians(drawing.tilt_deg))
    flip = -1.0 if drawing.mirrored else 1.0
    points = []
    for x, y in outline:
        wide, high = flip * x * drawing.stretch[0] * radius, y * drawing.stretch[1] * radius
        points.append((centre[0] + wide * cos - high * sin, centre[1] + wide * sin + high * cos))
    return points


def ellipse(x: float, y: float, across: float, down: float, pieces: int = 40) -> Outline:
    """An ellipse around (x, y) as a polygon."""
    angles = [2 * math.pi * i / pieces for i in range(pieces)]
    return [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]


def star(points: int, inner: float) -> Outline:
    """A star with one point upwards."""
    turns = [(math.pi * i / points - math.pi / 2, 1.0 if i % 2 == 0 else inner) for i in range(2 * points)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in turns]


def heart() -> Outline:
    """A heart as one curve."""
    angles = [2 * math.pi * i / 40 for i in range(40)]
    return [
        (
            math.sin(a) ** 3,
            -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16 + 0.1,
        )
        for a in angles
    ]


def moon() -> Outline:
    """A crescent, open to the right."""
    outer = [math.pi * (0.25 + 1.5 * i / 24) for i in range(25)]
    inner = [math.pi * (1.65 - 1.3 * i / 24) for i in range(25)]
    return [(0.9 * math.cos(a) + 0.2, 0.9 * math.sin(a)) for a in outer] + [
        (0.65 * math.cos(a) + 0.55, 0.68 * math.sin(a)) for a in inner
    ]


def _crescent(bite: float) -> Outline:
    """A circle out of which another, `bite` to the right of it, was cut; they meet above and below."""
    # Circles of radius 1 around 0 and of radius r around `bite`, which meet at 60 degrees from the right.
    x, y = math.cos(math.pi / 3), math.sin(math.pi / 3)
    radius = math.hypot(x - bite, y)
    end = math.atan2(y, x - bite)
    outer = [math.pi / 3 + (2 * math.pi - 2 * math.pi / 3) * i / 30 for i in range(31)]
    inner = [(2 * math.pi - end) + (2 * end - 2 * math.pi) * i / 30 for i in range(31)]
    return [(math.cos(a), math.sin(a)) for a in outer] + [
        (bite + radius * math.cos(a), radius * math.sin(a)) for a in inner
    ]


def _box(left: float, top: float, right: float, bottom: float) -> Outline:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


_ROOF: Outline = [(-1.0, -0.1), (0.0, -1.0), (1.0, -0.1)]
_BODY = _box(-0.7, -0.12, 0.7, 1.0)
_HOUSES: dict[str, tuple[list[Outline], list[Outline]]] = {
    "legs": (
        [_ROOF, _box(-0.7, -0.1, -0.2, 1.0), _box(0.2, -0.1, 0.7, 1.0), _box(-0.7, -0.1, 0.7, 0.35)],
        [],
    ),
    "plain": ([_ROOF, _BODY], []),
    "door": ([_ROOF, _BODY], [_box(-0.45, 0.3, -0.02, 1.01), _box(0.2, 0.2, 0.5, 0.5)]),
    "chimney": ([_ROOF, _BODY, _box(0.42, -0.95, 0.68, -0.2)], [_box(-0.2, 0.4, 0.2, 1.01)]),
}
"""What is filled, and what is cut out of it."""
_TRUNK = _box(-0.18, 0.5, 0.18, 1.0)
_TREES: dict[str, list[Outline]] = {
    "two tiers": [
        [(0.0, -1.0), (0.65, -0.1), (-0.65, -0.1)],
        [(0.0, -0.5), (0.85, 0.5), (-0.85, 0.5)],
        _TRUNK,
    ],
    "three tiers": [
        [(0.0, -1.0), (0.5, -0.4), (-0.5, -0.4)],
        [(0.0, -0.7), (0.65, 0.1), (-0.65, 0.1)],
        [(0.0, -0.3), (0.8, 0.6), (-0.8, 0.6)],
        _box(-0.14, 0.6, 0.14, 1.0),
    ],
    "round": [ellipse(0.0, -0.3, 0.75, 0.7), _box(-0.16, 0.2, 0.16, 1.0)],
}
_HEARTS: dict[str, list[Outline]] = {
    "curve": [heart()],
    "lobes": [
        ellipse(-0.45, -0.4, 0.52, 0.52),
        ellipse(0.45, -0.4, 0.52, 0.52),
        [(-0.94, -0.2), (-0.45, -0.5), (0.45, -0.5), (0.94, -0.2), (0.0, 1.0)],
    ],
}
_MOONS: dict[str, Outline] = {"old": moon(), "thin": _crescent(0.3), "thick": _crescent(0.75)}
