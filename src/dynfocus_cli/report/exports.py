"""The selection for other programs: a table for spreadsheets, stretches for video editors and players."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynfocus_cli.report.frame_codes import FrameCodes
from dynfocus_cli.report.spans import shown_name
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from dynfocus_cli.report.spans import EventSpan
    from dynfocus_cli.types import Inspection

COLUMNS = ("index", "time_s", "timecode", "event", "meaningful", "score", "tokens")
"""Named and rounded as in the JSON record's `frames`."""

LONGEST_TITLE = 70
"""Characters of an EDL's title that every editor reads."""


def csv_table(inspection: Inspection) -> str:
    """A heading and a row for each sampled frame.

    The video's name is no part of it: a spreadsheet could take it for a formula.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for frame in inspection.frames:
        rows.writerow(
            (
                frame.index,
                f"{frame.time_s:.3f}",
                frame.timecode,
                frame.event,
                "true" if frame.meaningful else "false",
                f"{frame.score:.4f}",
                frame.tokens,
            )
        )
    return text.getvalue()


def edl(inspection: Inspection, spans: Sequence[EventSpan]) -> str:
    """A CMX3600 edit decision list: each stretch is a cut from the video, laid end to end from zero.

    Source times begin at the file's own time code. They count frames without drops, unless that one drops
    some; the frames of 29.97 a second in units of 30. CMX3600 has two digits for a frame, so that from 61
    frames a second on several share a number, and a comment says so.
    """
    source = inspection.source
    name, codes = shown_name(source.path), FrameCodes.of(source.fps, source.timecode)
    lines = [f"TITLE: {name[:LONGEST_TITLE]}", f"FCM: {'' if codes.drop else 'NON-'}DROP FRAME", ""]
    if codes.group > 1:
        lines += [f"* TIME CODES COUNT {codes.unit} A SECOND: {codes.group} FRAMES OF THE VIDEO EACH", ""]
    laid = 0
    for number, span in enumerate(spans, start=1):
        end = max(codes.number(span.end_s), 1)
        start = min(codes.number(span.start_s), end - 1)  # what is shorter than a number still is a cut
        cut = (codes.start + start, codes.start + end, laid, laid + end - start)
        laid = cut[-1]
        lines += [
            f"{number:03d}  AX       V     C        {' '.join(map(codes.label, cut))}",
            f"* FROM CLIP NAME: {name}",
            f"* COMMENT: {_title(span)}",
        ]
    return "\n".join(lines) + "\n"


def webvtt_chapters(spans: Sequence[EventSpan]) -> str:
    """The stretches as WebVTT chapters, for `<track kind="chapters">`."""
    cues = [
        f"{number}\n{format_timecode(span.start_s)} --> {format_timecode(span.end_s)}\n{_title(span)}\n"
        for number, span in enumerate(_lasting(spans), start=1)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def ffmetadata_chapters(inspection: Inspection, spans: Sequence[EventSpan]) -> str:
    """The stretches as FFmpeg's metadata: `ffmpeg -i VIDEO -i OUT.ffmeta -map_chapters 1 -c copy NEW`."""
    lines = [";FFMETADATA1", f"title={_escaped(shown_name(inspection.source.path))}"]
    for span in _lasting(spans):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={round(span.start_s * 1000)}",
            f"END={round(span.end_s * 1000)}",
            f"title={_escaped(_title(span))}",
        ]
    return "\n".join(lines) + "\n"


def _lasting(spans: Sequence[EventSpan]) -> list[EventSpan]:
    """Those that are not empty in milliseconds, which no player would accept."""
    return [span for span in spans if round(span.start_s * 1000) < round(span.end_s * 1000)]


def _title(span: EventSpan) -> str:
    """Event 3, score 0.91, key frame 00:00:04.500."""
    key = f", key frame {span.key_frame.timecode}" if span.key_frame else ""
    return f"Event {span.event}, score {span.score:.2f}{key}"


def _escaped(value: str) -> str:
    """With a backslash before what means something in FFmpeg's metadata."""
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
