"""A conversation as a file, and the evidence of an answer in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.json import answer_record, line_of
from dynfocus_cli.report.spans import shown_name
from dynfocus_cli.video.timecode import short_timecode

if TYPE_CHECKING:
    from dynfocus_cli.types import Answer

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")


def evidence_line(answer: Answer, width: int | None = None) -> str:
    """Key frames, tokens and seconds, with as many time codes as fit into `width` columns.

    4 key frames: 00:01 00:09 00:21 00:23.5; 288 video tokens; 1.6 s
    """
    of = answer.evidence
    times = [short_timecode(frame.time_s) for frame in of.key_frames]
    frames = "1 key frame" if len(times) == 1 else f"{len(times)} key frames"
    rest = f"; {of.tokens.video} video tokens; {of.timings_s.total:.1f} s"
    for shown in range(len(times), 0, -1):
        more = f" and {len(times) - shown} more" if shown < len(times) else ""
        line = f"{frames}: {' '.join(times[:shown])}{more}{rest}"
        if width is None or len(line) <= width:
            return line
    return f"{frames}{rest}"


def transcript(answers: Sequence[Answer], path: Path) -> bytes:
    """The conversation as the name of a file says: Markdown, or `dynfocus.answer/1` records.

    Raises:
        UsageError: it has another suffix, or there is no answer.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"/save {path}: give a name that ends in {' or '.join(FORMATS)}.")
    if not answers:
        raise UsageError("There is no answer to save yet.")
    return form(answers)


def markdown(answers: Sequence[Answer]) -> bytes:
    """For a reader: each question with its answer and its evidence."""
    parts = list[str]()
    video = None
    for answer in answers:
        evidence, model = answer.evidence, answer.evidence.model
        if evidence.source.path != video:
            video = evidence.source.path
            parts.append(f"# {_plain(shown_name(video))}")
            parts.append(
                f"Answers by {_plain(model.name)} (revision {_plain(model.revision)}, quantization "
                f"{_plain(model.quantization)}, on {_plain(model.device)}), each question on its own."
            )
        parts.append(f"## {_plain(' '.join((answer.evidence.question or '').split()))}")
        parts.append("\n".join(f"> {_plain(line)}".rstrip() for line in answer.answer.splitlines() or [""]))
        closely = [short_timecode(time_s) for time_s in answer.evidence.sampling.focus_times_s]
        focus = f"; a close look at {' '.join(closely)}" if closely else ""
        parts.append(f"{evidence_line(answer)}{focus}.")
        parts += [f"Warning: {_plain(' '.join(warning.split()))}" for warning in answer.evidence.warnings]
    return ("\n\n".join(parts) + "\n").encode("utf-8", "replace")


def records(answers: Sequence[Answer]) -> bytes:
    """For a script: JSON lines, as of `dynfocus ask --jsonl`."""
    return b"".join(line_of(answer_record(answer)) for answer in answers)


FORMATS: dict[str, Callable[[Sequence[Answer]], bytes]] = {".md": markdown, ".jsonl": records}
"""By suffix."""


def _plain(text: str) -> str:
    """`text` with what Markdown or HTML would read as markup escaped."""
    return _MARKUP.sub(r"\\\1", text)
