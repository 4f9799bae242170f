"""Digit fonts to train on; importing this adds them to those that the generator can draw."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dynfocus_cli.synth.digits import FONTS, Pen, Point, Stroke


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


_FONTS = {
    "segments": Pen(_segmented(), 0.3, round=False),
    "printed": Pen(_PRINTED, 0.24),
    "written": Pen(_WRITTEN, 0.3, slant=0.18),
    "bold": Pen(_PRINTED, 0.46),
    "blocks": Pen(_blocky(), 0.4, round=False),
}
FONTS.update(_FONTS)
TRAINING_FONTS = tuple(_FONTS)
"""Names of the fonts that training draws from beside the built-in one."""
