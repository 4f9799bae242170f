"""The selection for other programs: a table for spreadsheets, events for video editors and players."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import TYPE_CHECKING

from dynfocus_cli.report.spans import EventSpan, event_spans, shown_name
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
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


def edl(inspection: Inspection) -> str:
    """A CMX3600 edit decision list: each stretch of an event is a cut from the video, laid end to end.

    Times count frames without drops, as most editors expect; those of 29.97 a second in units of 30.
    """
    name = shown_name(inspection.source.path)
    fps = inspection.source.fps
    unit = max(1, round(fps))  # frames that a second of time code has
    rate = fps if math.isclose(fps, unit, rel_tol=0.002) else float(unit)  # 30000/1001 counts its own frames
    lines = [f"TITLE: {name[:LONGEST_TITLE]}", "FCM: NON-DROP FRAME", ""]
    laid, number = 0, 0
    for span in event_spans(inspection):
        start, end = round(span.start_s * rate), round(span.end_s * rate)
        if start == end:
            continue  # shorter than a frame of an uneven video's average rate
        number += 1
        cut = (start, end, laid, laid + end - start)
        laid = cut[-1]
        lines += [
            f"{number:03d}  AX       V     C        {' '.join(_frame_code(frames, unit) for frames in cut)}",
            f"* FROM CLIP NAME: {name}",
            f"* COMMENT: {_title(span)}",
        ]
    return "\n".join(lines) + "\n"


def webvtt_chapters(inspection: Inspection) -> str:
    """The events as WebVTT chapters, for `<track kind="chapters">`."""
    cues = [
        f"{number}\n{format_timecode(span.start_s)} --> {format_timecode(span.end_s)}\n{_title(span)}\n"
        for number, span in enumerate(_chapters(inspection), start=1)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def ffmetadata_chapters(inspection: Inspection) -> str:
    """The events as FFmpeg's metadata: `ffmpeg -i VIDEO -i OUT.ffmeta -map_chapters 1 -c copy NEW`."""
    lines = [";FFMETADATA1", f"title={_escaped(shown_name(inspection.source.path))}"]
    for span in _chapters(inspection):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={round(span.start_s * 1000)}",
            f"END={round(span.end_s * 1000)}",
            f"title={_escaped(_title(span))}",
        ]
    return "\n".join(lines) + "\n"


def _chapters(inspection: Inspection) -> list[EventSpan]:
    """Spans that are not empty in milliseconds, which no player would accept."""
    return [span for span in event_spans(inspection) if round(span.start_s * 1000) < round(span.end_s * 1000)]


def _title(span: EventSpan) -> str:
    """Event 3, score 0.91, key frame 00:00:04.500."""
    key = f", key frame {span.key_frame.timecode}" if span.key_frame else ""
    return f"Event {span.event}, score {span.score:.2f}{key}"


def _frame_code(frames: int, unit: int) -> str:
    """`HH:MM:SS:FF` of a number of frames.

    65 of 25 -> 00:00:02:15
    """
    seconds, frame = divmod(frames, unit)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}"


def _escaped(value: str) -> str:
    """With a backslash before what means something in FFmpeg's metadata."""
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
