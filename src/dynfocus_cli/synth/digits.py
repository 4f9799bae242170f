"""Digits drawn as pen strokes or in fonts from files, beside the font that Pillow carries.

A digit of pen strokes is a list of them in a box from -0.6 to 0.6 across and -1 to 1 down.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw, ImageFont

Point = tuple[float, float]
Stroke = list[Point]
Fill = tuple[int, int, int] | int

BUILT_IN, EXAM_FONT = "built-in", "octagonal"
"""Pillow's font, and the one that no training may see."""
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


@dataclass(frozen=True, slots=True)
class Typeface:
    """A font file, TrueType or OpenType."""

    path: Path


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
    if isinstance(pen, Typeface):
        _draw_glyph(draw, pen, digit, centre, unit, fill, weight)
        return
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


def _draw_glyph(
    draw: ImageDraw.ImageDraw,
    face: Typeface,
    digit: str,
    centre: Point,
    half_height: float,
    fill: Fill,
    weight: float,
) -> None:
    """Draws a digit of a font file as high as those of the other fonts, its middle at `centre`."""
    font = _typeface(face.path, max(4, round(2 * half_height / _zero_height(face.path))))
    stroke = max(0, round(half_height * 0.2 * (weight - 1.0)))
    left, top, right, bottom = font.getbbox(digit, stroke_width=stroke)
    corner = (centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2)
    draw.text(corner, digit, fill=fill, font=font, stroke_width=stroke)


@functools.lru_cache(maxsize=512)
def _typeface(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


@functools.lru_cache(maxsize=1024)
def _zero_height(path: Path) -> float:
    """How high a zero is in a font, as a share of its size."""
    _, top, _, bottom = ImageFont.truetype(str(path), 100).getbbox("0")
    return (bottom - top) / 100


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


FONTS: dict[str, Pen | Typeface | None] = {BUILT_IN: None, EXAM_FONT: Pen(_octagonal(), 0.34)}
"""Pens and font files by font name; None where Pillow draws its own. A recipe adds the fonts that it trains
on, and an exam those that it is held in."""
