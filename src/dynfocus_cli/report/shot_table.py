"""The shots of a video as a table and as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from dynfocus_cli.report.shot_spans import ShotSpan

COLUMNS = ("shot", "start_s", "end_s", "timecode", "length_s", "begins", "key_frame")
"""`begins` is how: with the video, by a cut, or in the middle of a dissolve or fade."""


def aligned_shots(spans: Sequence[ShotSpan]) -> list[str]:
    """The shots as lines of text with aligned columns; the first line is the heading."""
    rows = [COLUMNS, *map(_cells, spans)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def separated_shots(spans: Sequence[ShotSpan], *, video: str | None, with_header: bool) -> list[str]:
    """The shots as tab-separated lines; `video` puts the path in a first column."""
    rows = list(map(_cells, spans))
    if video is not None:
        # A tab or line break in a file name would be read as a column or a row.
        path = " ".join(video.splitlines()).replace("\t", " ")
        rows = [(path, *row) for row in rows]
    if with_header:
        rows.insert(0, COLUMNS if video is None else ("video", *COLUMNS))
    return ["\t".join(row) for row in rows]


def shot_records(spans: Sequence[ShotSpan]) -> list[dict[str, Any]]:
    """`shots` of an inspection's record; `key_frame` is an index into its `frames`, or null."""
    return [
        {
            "start_s": round(float(span.start_s), 3),
            "end_s": round(float(span.end_s), 3),
            "start": format_timecode(span.start_s),
            "end": format_timecode(span.end_s),
            "transition": span.shot.transition,
            "key_frame": None if span.key_frame is None else span.key_frame.index,
        }
        for span in spans
    ]


def _cells(span: ShotSpan) -> tuple[str, ...]:
    key = "-" if span.key_frame is None else span.key_frame.timecode
    return (
        str(span.number),
        f"{span.start_s:.3f}",
        f"{span.end_s:.3f}",
        format_timecode(span.start_s),
        f"{span.shot.length_s:.3f}",
        span.shot.transition,
        key,
    )
