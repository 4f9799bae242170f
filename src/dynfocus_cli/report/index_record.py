"""What was kept of a video for searches: the record `dynfocus.index/1`, and lines for a reader or a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.moments.indexing import IndexedVideo
from dynfocus_cli.report.json import Record, fields_of
from dynfocus_cli.types import ModelInfo
from dynfocus_cli.video.timecode import format_timecode

INDEX = "dynfocus.index/1"
COLUMNS = ("video", "frames", "duration_s", "new")


def index_record(kept: IndexedVideo, model: ModelInfo, warnings: Sequence[str]) -> Record:
    """A video that is in the index; `in_domain` is null where the model does not say what it knows."""
    entry = kept.entry
    return {
        "schema": INDEX,
        "video": entry.source.path,
        "model": fields_of(model, "name backend revision quantization device"),
        "source": fields_of(
            entry.source, "duration_s:3 width height fps:6 codec rotation variable_frame_rate"
        ),
        "frames": len(entry.times_s),
        "numbers": entry.vectors.shape[1],
        "new": kept.is_new,
        "in_domain": None if entry.departures is None else not entry.departures,
        "warnings": list(warnings),
    }


def index_line(kept: IndexedVideo) -> str:
    """`42 frames, 00:42`, and whether they were there before."""
    count, entry = len(kept.entry.times_s), kept.entry
    before = "" if kept.is_new else ", kept before"
    return f"{count} frame{'' if count == 1 else 's'}, {format_timecode(entry.source.duration_s)}{before}"


def separated_index(kept: IndexedVideo, *, with_header: bool) -> list[str]:
    """The same as a tab-separated line."""
    source = kept.entry.source
    # A tab or line break in a file name would be read as a column or a row.
    name = " ".join(source.path.splitlines()).replace("\t", " ")
    row = name, str(len(kept.entry.times_s)), f"{source.duration_s:.3f}", "yes" if kept.is_new else "no"
    return ["\t".join(line) for line in ([COLUMNS, row] if with_header else [row])]
