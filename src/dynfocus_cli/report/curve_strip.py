"""A score curve as lines of text: how well the video fits a caption along its time, and its moments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from dynfocus_cli.moments.moment import Curve, Moment, VideoMoments
from dynfocus_cli.report.terminal import speaks_unicode
from dynfocus_cli.report.timeline import TimeScale, time_labels
from dynfocus_cli.types import Span

WIDEST_FRAME, LEAST_WIDTH = 8, 40
"""Cells of a frame and of a strip: a few frames on a wide terminal stay a strip."""


class CurveGlyphs(NamedTuple):
    """Heights from nothing to 1, and the mark under a moment."""

    heights: str
    moment: str


UNICODE = CurveGlyphs("▁▂▃▄▅▆▇█", "▔")
ASCII = CurveGlyphs("_.:-=+*#", "^")


def curve_strip(
    curve: Curve, moments: Sequence[Moment], searched_s: Span, width: int, glyphs: CurveGlyphs
) -> list[Text]:
    """A strip of cells of equal time as high as the best score in them, marks under the moments, and times.

    Args:
        searched_s: from when to when the video was looked at, seconds.
        width: cells at most.
    """
    if not curve.times_s:
        return []
    cells = min(max(width, 1), max(len(curve.times_s) * WIDEST_FRAME, LEAST_WIDTH))
    scale = TimeScale(*searched_s, cells)
    best = [0.0] * cells
    for (time_s, until_s), score in zip(pairwise((*curve.times_s, scale.end_s)), curve.scores, strict=True):
        for cell in range(scale.cell(time_s), max(scale.cell(time_s), scale.cell(until_s) - 1) + 1):
            best[cell] = max(best[cell], score)
    last = len(glyphs.heights) - 1
    marked: set[int] = set()
    for moment in moments:
        begin = scale.cell(moment.start_s)
        marked |= set(range(begin, max(begin, scale.cell(moment.end_s - 1e-3)) + 1))
    strip = Text()
    for cell, score in enumerate(best):
        strip.append(glyphs.heights[round(score * last)], style="bold green" if cell in marked else "dim")
    marks = "".join(glyphs.moment if cell in marked else " " for cell in range(cells)).rstrip()
    lines = [strip, *([Text(marks, style="green")] if marks else []), Text(time_labels(scale), style="dim")]
    return lines


def print_curve(console: Console, video: VideoMoments, moments: Sequence[Moment]) -> None:
    """The curve of a video as wide as the console, marked at these of its moments."""
    if not video.curve.times_s:
        return
    glyphs = UNICODE if speaks_unicode(console.encoding) else ASCII
    for line in curve_strip(video.curve, moments, video.searched_s, console.width, glyphs):
        console.print(line, soft_wrap=True)
