"""`edl`: the shots as cuts, for video editors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynfocus_cli.report.frame_codes import FrameCodes
from dynfocus_cli.report.spans import Sourced, TitledSpan, shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource

LONGEST_TITLE = 70
"""Characters of an EDL's title that every editor reads."""


def edl(of: Sourced, spans: Sequence[TitledSpan]) -> str:
    """A CMX3600 edit decision list: each span is a cut from the video, laid end to end from zero.

    Source times begin at the file's own time code. They count frames without drops, unless that one drops
    some; the frames of 29.97 a second in units of 30. CMX3600 has two digits for a frame, so that from 61
    frames a second on several share a number, and a comment says so.
    """
    source = of.source
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
            f"* COMMENT: {span.title}",
        ]
    return "\n".join(lines) + "\n"


def _content(source: ExportSource, file: Path) -> bytes:
    return edl(source.inspection, source.shots).encode()


def _moments(source: MomentsSource, file: Path) -> bytes:
    return edl(source.video, source.spans).encode()


FORMAT = ExportFormat(
    flag="--edl",
    help="Write the shots as cuts (CMX3600).",
    suffixes=(".edl",),
    content=_content,
    place=1,
    moments=MomentsFormat(help="Write the moments as cuts (CMX3600).", content=_moments),
)
