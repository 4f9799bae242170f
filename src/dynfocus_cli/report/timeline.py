"""The sampled part of a video as lines of text: key frames, events and focus, to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from dynfocus_cli.report.spans import last_moment
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from dynfocus_cli.types import FrameEvidence, Inspection


class Glyphs(NamedTuple):
    """Shapes, not colours, carry the meaning: the strip reads the same without colour."""

    key: str
    key_end: str
    """Last cell of a key frame several cells wide, so that two neighbours stay two."""
    events: tuple[str, str]
    """Shading of the other frames, for even and odd events."""
    focus: str
    times: str


UNICODE = Glyphs(key="█", key_end="▉", events=("░", "▒"), focus="▔", times="×")
ASCII = Glyphs(key="#", key_end="|", events=(".", ":"), focus="^", times="x")

WIDEST_FRAME, LEAST_WIDTH = 8, 40
"""Cells: a few frames on a wide terminal stay a strip and do not become a wall."""

STEPS_S = (*(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800), *(h * 3600 for h in (1, 2, 4, 6, 12, 24)))
"""Seconds between two labels."""

GAP = 4
"""Cells between two labels at least."""

BRIEF_S = 10.0
"""What lasts less is labelled to the millisecond."""


class TimeScale(NamedTuple):
    """Which cell shows which moment."""

    start_s: float
    end_s: float
    cells: int

    def cell(self, time_s: float) -> int:
        """The cell that a moment falls into."""
        share = (time_s - self.start_s) / (self.end_s - self.start_s)
        # A moment that is the border of two cells but for its last digit belongs to the latter.
        return min(max(int(share * self.cells + 1e-6), 0), self.cells - 1)

    def label(self, time_s: float) -> str:
        code = format_timecode(time_s)
        return code if self.end_s - self.start_s < BRIEF_S else code.partition(".")[0]


def timeline(inspection: Inspection, width: int, glyphs: Glyphs) -> list[Text]:
    """A strip of cells of equal time, under it where the video was sampled more densely, times, a legend.

    A frame lasts until the next one. Where several share a cell, it is a key frame's when any of them is one.

        8 frames a second apart, those at 1, 4 and 6 s key frames, in events 0 0 0 1 1 2 2 2, 24 cells:

        ░░░██▉░░░▒▒▒██▉░░░██▉░░░
        00:00:00        00:00:08
    """
    cells = min(max(width, 1), max(len(inspection.frames) * WIDEST_FRAME, LEAST_WIDTH))
    scale = TimeScale(inspection.sampling.start_s, last_moment(inspection), cells)
    lines = [_strip(inspection.frames, scale, glyphs)]
    focus = _focus(inspection, scale, glyphs.focus)
    if focus.strip():
        lines.append(Text(focus, style="green"))
    lines.append(Text(time_labels(scale), style="dim"))
    legend = f"{glyphs.key} key frame   {' '.join(glyphs.events)} other frames, shaded by event"
    if focus.strip():
        legend += f"   {glyphs.focus} focus"
    lines.append(Text(legend, style="dim"))
    return lines


def _strip(frames: tuple[FrameEvidence, ...], scale: TimeScale, glyphs: Glyphs) -> Text:
    firsts = [0, *(scale.cell(frame.time_s) for frame in frames[1:])]
    behind = [*firsts[1:], scale.cells]
    shown = [""] * scale.cells
    for frame, first, until in zip(frames, firsts, behind, strict=True):
        last = max(until - 1, first)
        for cell in range(first, last + 1):
            if frame.meaningful:
                shown[cell] = glyphs.key_end if first < cell == last else glyphs.key
            elif shown[cell] not in (glyphs.key, glyphs.key_end):
                shown[cell] = glyphs.events[frame.event % 2]
    strip = Text()
    for glyph in shown:
        strip.append(glyph, style="bold green" if glyph in (glyphs.key, glyphs.key_end) else "dim")
    return strip


def _focus(inspection: Inspection, scale: TimeScale, mark: str) -> str:
    """A mark under each cell of the stretches that the question or `at_s` names."""
    marked: set[int] = set()
    for start_s, end_s in inspection.sampling.focus:
        if start_s < scale.end_s and end_s >= scale.start_s:
            marked |= set(range(scale.cell(start_s), scale.cell(end_s) + 1))
    return "".join(mark if cell in marked else " " for cell in range(scale.cells)).rstrip()


def time_labels(scale: TimeScale) -> str:
    """Times that each start under their cell, and the end's, which ends with the strip."""
    first, last = scale.label(scale.start_s), scale.label(scale.end_s)
    if scale.cells < len(first) + 1 + len(last):
        return first
    cell_s = (scale.end_s - scale.start_s) / scale.cells
    room = (len(last) + GAP) * cell_s
    step = next((step for step in STEPS_S if step >= room), None)
    line = first
    time_s = 0.0 if step is None else (scale.start_s // step + 1) * step
    while step is not None and (cell := scale.cell(time_s)) + len(last) + GAP <= scale.cells - len(last):
        if cell >= len(line) + GAP:
            line = line.ljust(cell) + scale.label(time_s)
        time_s += step
    return line.ljust(scale.cells - len(last)) + last
