"""`chapters`: the shots as chapters, for players."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dynfocus_cli.report.spans import Sourced, TitledSpan, shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource
from dynfocus_cli.video.timecode import format_timecode

HEADER = "WEBVTT\nKind: chapters"
"""So that nobody takes them for subtitles, `video/subtitles.py` least of all."""


def webvtt_chapters(spans: Sequence[TitledSpan]) -> str:
    """The spans as WebVTT chapters, for `<track kind="chapters">`."""
    cues = [
        f"{number}\n{format_timecode(span.start_s)} --> {format_timecode(span.end_s)}\n{span.title}\n"
        for number, span in enumerate(_lasting(spans), start=1)
    ]
    return "\n".join([f"{HEADER}\n", *cues])


def ffmetadata_chapters(of: Sourced, spans: Sequence[TitledSpan]) -> str:
    """The spans as FFmpeg's metadata: `ffmpeg -i VIDEO -i OUT.ffmeta -map_chapters 1 -c copy NEW`."""
    lines = [";FFMETADATA1", f"title={_escaped(shown_name(of.source.path))}"]
    for span in _lasting(spans):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={round(span.start_s * 1000)}",
            f"END={round(span.end_s * 1000)}",
            f"title={_escaped(span.title)}",
        ]
    return "\n".join(lines) + "\n"


def _lasting(spans: Sequence[TitledSpan]) -> list[TitledSpan]:
    """Those that are not empty in milliseconds, which no player would accept."""
    return [span for span in spans if round(span.start_s * 1000) < round(span.end_s * 1000)]


def _escaped(value: str) -> str:
    """With a backslash before what means something in FFmpeg's metadata."""
    return re.sub(r"([=;#\\\n])", r"\\\1", value)


def _content(source: ExportSource, file: Path) -> bytes:
    if file.suffix.lower() == ".ffmeta":
        return ffmetadata_chapters(source.inspection, source.shots).encode()
    return webvtt_chapters(source.shots).encode()


def _moments(source: MomentsSource, file: Path) -> bytes:
    if file.suffix.lower() == ".ffmeta":
        return ffmetadata_chapters(source.video, source.spans).encode()
    return webvtt_chapters(source.spans).encode()


FORMAT = ExportFormat(
    flag="--chapters",
    help="Write the shots as chapters: .vtt, or .ffmeta for FFmpeg.",
    suffixes=(".vtt", ".ffmeta"),
    content=_content,
    place=2,
    moments=MomentsFormat(
        help="Write the moments as chapters: .vtt, or .ffmeta for FFmpeg.", content=_moments
    ),
)
