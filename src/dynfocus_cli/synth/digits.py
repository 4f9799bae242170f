"""Digit fonts drawn here, beside the one that Pillow carries.

A digit is a list of pen strokes or a grid of blocks in a box from -0.6 to 0.6 across and -1 to 1 down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ImageDraw

Point = tuple[float, float]
Stroke = list[Point]
Fill = tuple[int, int, int] | int

BUILT_IN = "built-in"
HEIGHT = 0.9
"""Half a digit's height as a share of the thing's radius; the built-in font's digits are as high."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How a font's strokes are drawn."""

    strokes: dict[str, list[Stroke]]
    width: float
    """Of a stroke, in units of half the digit's height."""
    round: bool = True
    """Round ends and corners, or square ones."""
    slant: float = 0.0


def draw_digit(
    draw: ImageDraw.ImageDraw,
    font: str,
    digit: str,
    centre: Point,
    radius: float,
    fill: Fill,
    *,
    weight: float = 1.0,
    slant: float = 0.0,
    width: float = 1.0,
) -> None:
    """Draws a digit of any font but the built-in one around `centre`, `radius` pixels being its thing's."""
    pen = FONTS[font]
    assert pen is not None, "the built-in font is Pillow's to draw"
    unit = radius * HEIGHT
    lean = pen.slant + slant
    thick = pen.width * weight
    # Strokes end half their width inside the box, so that a bold digit is no bigger than a thin one.
    inner_x, inner_y = (0.6 - thick / 2) / 0.6 * width, 1.0 - thick / 2
    for stroke in pen.strokes[digit]:
        placed = [
            (
                centre[0] + unit * (x * inner_x - y * inner_y * lean),
                centre[1] + unit * y * inner_y,
            )
            for x, y in stroke
        ]
        _draw_stroke(draw, placed, max(1.5, thick * unit), pen.round, fill)


def _draw_stroke(draw: ImageDraw.ImageDraw, points: Stroke, width: float, rounded: bool, fill: Fill) -> None:
    half = width / 2
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        if length == 0:
            continue
        along_x, along_y = (x1 - x0) / length * half, (y1 - y0) / length * half
        across_x, across_y = -along_y, along_x
        if not rounded:  # each piece reaches past its ends: corners and ends are square
            x0, y0, x1, y1 = x0 - along_x, y0 - along_y, x1 + along_x, y1 + along_y
        corners = (
            (x0 + across_x, y0 + across_y),
            (x1 + across_x, y1 + across_y),
            (x1 - across_x, y1 - across_y),
            (x0 - across_x, y0 - across_y),
        )
        draw.polygon(corners, fill=fill)
    if rounded:
        for x, y in points:
            draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)


def _arc(x: float, y: float, across: float, down: float, start_deg: float, end_deg: float) -> Stroke:
    """Points of an elliptical arc around (x, y); 0 degrees is to the right and 90 downwards."""
    pieces = max(4, round(abs(end_deg - start_deg) / 20))
    angles = [math.radians(start_deg + (end_deg - start_deg) * i / pieces) for i in range(pieces + 1)]
    return [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]


_PRINTED: dict[str, list[Stroke]] = {
    "0": [_arc(0.0, 0.0, 0.6, 1.0, 0, 360)],
    "1": [[(-0.4, -0.6), (0.1, -1.0), (0.1, 1.0)]],
    "2": [[*_arc(0.0, -0.45, 0.58, 0.55, 190, 390), (-0.6, 1.0), (0.6, 1.0)]],
    "3": [
        _arc(-0.05, -0.5, 0.55, 0.5, 205, 450),
        _arc(-0.05, 0.48, 0.62, 0.52, 270, 515),
    ],
    "4": [[(0.25, 1.0), (0.25, -1.0), (-0.6, 0.4), (0.6, 0.4)]],
    "5": [[(0.5, -1.0), (-0.4, -1.0), (-0.48, -0.1), *_arc(-0.05, 0.35, 0.62, 0.62, 235, 500)]],
    "6": [[(0.4, -1.0), (-0.1, -0.6), (-0.5, 0.0), *_arc(0.0, 0.42, 0.58, 0.58, 200, 560)]],
    "7": [[(-0.6, -1.0), (0.6, -1.0), (-0.15, 1.0)]],
    "8": [_arc(0.0, -0.52, 0.48, 0.48, 0, 360), _arc(0.0, 0.48, 0.6, 0.52, 0, 360)],
    "9": [[(-0.4, 1.0), (0.1, 0.6), (0.5, 0.0), *_arc(0.0, -0.42, 0.58, 0.58, 20, 380)]],
}
"""As on a form: one even, rounded line."""

_WRITTEN: dict[str, list[Stroke]] = _PRINTED | {
    "1": [[(-0.35, -0.35), (0.2, -1.0), (0.2, 1.0)], [(-0.2, 1.0), (0.6, 1.0)]],
    "2": [[*_arc(0.0, -0.5, 0.52, 0.5, 180, 400), *_arc(-0.4, 0.8, 0.2, 0.2, 270, 60), (0.6, 0.95)]],
    "3": [[(-0.55, -1.0), (0.5, -1.0), (-0.05, -0.2), *_arc(-0.05, 0.4, 0.62, 0.6, 270, 505)]],
    "4": [[(-0.25, -1.0), (-0.55, 0.25), (0.6, 0.25)], [(0.3, -0.35), (0.3, 1.0)]],
    "6": [[*_arc(0.5, 0.2, 1.05, 1.25, 265, 190), *_arc(0.0, 0.45, 0.55, 0.55, 180, 540)]],
    "7": [[(-0.6, -1.0), (0.6, -1.0), (-0.2, 1.0)], [(-0.4, 0.05), (0.5, 0.05)]],
    "9": [[*_arc(0.0, -0.42, 0.55, 0.55, 0, 360), (0.5, 1.0)]],
}
"""By hand: an open 4, a crossed 7, a 9 with a straight leg."""

_SEGMENTS: dict[str, Stroke] = {
    "top": [(-0.6, -1.0), (0.6, -1.0)],
    "middle": [(-0.6, 0.0), (0.6, 0.0)],
    "bottom": [(-0.6, 1.0), (0.6, 1.0)],
    "upper left": [(-0.6, -1.0), (-0.6, 0.0)],
    "upper right": [(0.6, -1.0), (0.6, 0.0)],
    "lower left": [(-0.6, 0.0), (-0.6, 1.0)],
    "lower right": [(0.6, 0.0), (0.6, 1.0)],
}
_LIT = {
    "0": "top, bottom, upper left, upper right, lower left, lower right",
    "1": "upper right, lower right",
    "2": "top, upper right, middle, lower left, bottom",
    "3": "top, upper right, middle, lower right, bottom",
    "4": "upper left, upper right, middle, lower right",
    "5": "top, upper left, middle, lower right, bottom",
    "6": "top, upper left, middle, lower left, lower right, bottom",
    "7": "top, upper right, lower right",
    "8": "top, middle, bottom, upper left, upper right, lower left, lower right",
    "9": "top, middle, bottom, upper left, upper right, lower right",
}


def _segmented() -> dict[str, list[Stroke]]:
    """Seven segments, each a little shorter than its place, as on a clock radio."""

    def shortened(stroke: Stroke) -> Stroke:
        (x0, y0), (x1, y1) = stroke
        return [
            (x0 + 0.12 * (x1 - x0), y0 + 0.12 * (y1 - y0)),
            (x1 - 0.12 * (x1 - x0), y1 - 0.12 * (y1 - y0)),
        ]

    return {digit: [shortened(_SEGMENTS[name]) for name in lit.split(", ")] for digit, lit in _LIT.items()}


_BLOCKS = {
    "0": ("###", "#.#", "#.#", "#.#", "###"),
    "1": (".#.", "##.", ".#.", ".#.", "###"),
    "2": ("###", "..#", "###", "#..", "###"),
    "3": ("###", "..#", ".##", "..#", "###"),
    "4": ("#.#", "#.#", "###", "..#", "..#"),
    "5": ("###", "#..", "###", "..#", "###"),
    "6": ("###", "#..", "###", "#.#", "###"),
    "7": ("###", "..#", ".#.", ".#.", ".#."),
    "8": ("###", "#.#", "###", "#.#", "###"),
    "9": ("###", "#.#", "###", "..#", "###"),
}


def _blocky() -> dict[str, list[Stroke]]:
    """Three by five blocks: a stroke between any two that touch at a side, a dot where one stands alone."""

    def strokes(rows: tuple[str, ...]) -> Iterator[Stroke]:
        def at(row: int, column: int) -> Point:
            return 0.6 * (column - 1), 0.5 * (row - 2)

        full = {(r, c) for r, line in enumerate(rows) for c, mark in enumerate(line) if mark == "#"}
        for row, column in sorted(full):
            for beside in ((row, column + 1), (row + 1, column)):
                if beside in full:
                    yield [at(row, column), at(*beside)]

    return {digit: list(strokes(rows)) for digit, rows in _BLOCKS.items()}


def _octagonal() -> dict[str, list[Stroke]]:
    """As on a team's shirts: straight strokes whose corners are cut off."""
    left, right, cut = -0.6, 0.6, 0.3
    upper = [(left, -0.7), (left + cut, -1.0), (right - cut, -1.0), (right, -0.7)]
    lower = [(right, 0.7), (right - cut, 1.0), (left + cut, 1.0), (left, 0.7)]
    waist_right = [(right, -0.25), (right - cut, 0.0), (right, 0.25)]
    waist_left = [(left, 0.25), (left + cut, 0.0), (left, -0.25)]
    middle = [(left + cut, 0.0), (right - cut, 0.0)]
    return {
        "0": [[*upper, *lower, upper[0]]],
        "1": [[(-0.35, -0.65), (0.0, -1.0), (0.0, 1.0)], [(-0.35, 1.0), (0.35, 1.0)]],
        "2": [[*upper, (right, -0.25), (left, 0.75), (left, 1.0), (right, 1.0)]],
        "3": [[*upper, *waist_right, *lower], [(-0.1, 0.0), (right - cut, 0.0)]],
        "4": [[(0.25, 1.0), (0.25, -1.0), (left, 0.2), (left, 0.4), (right, 0.4)]],
        "5": [[(right, -1.0), (left, -1.0), (left, -0.15), (right - cut, -0.15), (right, 0.15), *lower]],
        "6": [
            [(right, -0.7), *reversed(upper[:3]), (left, 0.7), *reversed(lower[:3])],
            [(right, 0.7), (right, 0.15), (right - cut, -0.1), (left, -0.1)],
        ],
        "7": [[(left, -1.0), (right, -1.0), (right, -0.75), (-0.1, 0.2), (-0.1, 1.0)]],
        "8": [[*upper, *waist_right, *lower, *waist_left, upper[0]], middle],
        "9": [
            [(left, 0.7), *reversed(lower[:3]), (right, -0.7), *reversed(upper[:3])],
            [(left, -0.7), (left, -0.15), (left + cut, 0.1), (right, 0.1)],
        ],
    }


FONTS: dict[str, Pen | None] = {
    BUILT_IN: None,
    "segments": Pen(_segmented(), 0.3, round=False),
    "printed": Pen(_PRINTED, 0.24),
    "written": Pen(_WRITTEN, 0.3, slant=0.18),
    "bold": Pen(_PRINTED, 0.46),
    "blocks": Pen(_blocky(), 0.4, round=False),
    "octagonal": Pen(_octagonal(), 0.34),
}
"""How each font is drawn; the built-in one is Pillow's."""

EXAM_FONT = "octagonal"
TRAINING_FONTS = tuple(font for font in FONTS if font not in (BUILT_IN, EXAM_FONT))
"""All but the built-in font, and the exam's, which no training may see."""
