"""One page that shows a selection and, where there is one, an answer: player, timeline, key frames, cost.

It needs no network.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from dynfocus_cli.multiple_choice import by_share
from dynfocus_cli.report.reasons import CLUSTERINGS, SCORERS, key_frame_reason, most_attended
from dynfocus_cli.report.spans import EventSpan, event_spans, last_moment, shown_name
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from dynfocus_cli.report.pictures import KeyFramePicture
    from dynfocus_cli.types import Answer, Counterfactual, FrameEvidence, Inspection, Option

TEMPLATE = "inspection.html.j2"
JPEG_QUALITY = 82

MEDIA_TYPES = {
    "mov,mp4,m4a,3gp,3g2,mj2": "video/mp4",
    "matroska,webm": "video/webm",
    "ogg": "video/ogg",
}
"""Of the containers that browsers play, by FFmpeg's name; others are tried as MP4."""


@dataclass(frozen=True, slots=True)
class _Band:
    """An event's stretch on the timeline, in percent of its width."""

    x: float
    width: float
    span: EventSpan


@dataclass(frozen=True, slots=True)
class _Bar:
    """A sampled frame on the timeline, in percent of its width; it lasts until the next one."""

    x: float
    width: float
    tokens: float
    """In percent of what the dearest frame takes."""
    frame: FrameEvidence


@dataclass(frozen=True, slots=True)
class _Card:
    """A key frame's picture, as a data URI."""

    frame: FrameEvidence
    reason: str
    """Why it is one."""
    picture: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of the answers to choose from."""

    option: Option
    percent: float
    """Of the likelihood of all of them."""
    taken: bool
    """Whether it is the answer."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What other frames answered."""

    frames: str
    """Which ones."""
    found: Counterfactual | None
    """None where there are no such frames."""


def inspection_page(
    inspection: Inspection,
    pictures: Sequence[KeyFramePicture],
    video: str,
    answer: Answer | None = None,
) -> str:
    """The page as HTML. `video` is the URI of the player's source, relative or `data:`.

    Everything that is not ours (names, question and answer, warnings) is escaped, and the page's content
    security policy lets run only the script and styles that are in the template.
    """
    page = _environment().from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    end_s = last_moment(inspection)
    return page.render(
        name=shown_name(inspection.source.path),
        video=video,
        of=inspection,
        answer=answer,
        choices=_choices(answer),
        attended="" if answer is None else most_attended(answer),
        verdicts=_verdicts(answer),
        cards=[_card(inspection, picture) for picture in pictures],
        scorers=SCORERS,
        clusterings=CLUSTERINGS,
        bands=_bands(inspection, end_s),
        bars=_bars(inspection, end_s),
        start_s=inspection.sampling.start_s,
        end_s=end_s,
        context=_context_shares(inspection),
    )


def link_to(video: str, page: Path) -> str:
    """The relative URI from a page to a file, byte for byte, whatever its name holds.

    clips/a b#1.mp4 from out/page.html -> ../clips/a%20b%231.mp4
    """
    path = os.path.relpath(os.path.abspath(video), os.path.dirname(os.path.abspath(page)))
    return quote(os.fsencode(path))  # a colon is quoted too, so that no name is taken for a scheme


def embedded(video: str, container: str) -> str:
    """The whole file as a data URI. Raises OSError where it cannot be read."""
    media_type = MEDIA_TYPES.get(container, "video/mp4")
    return f"data:{media_type};base64,{base64.b64encode(Path(video).read_bytes()).decode('ascii')}"


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["timecode"] = format_timecode
    environment.filters["csp_hash"] = _csp_hash
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def _csp_hash(text: str) -> str:
    """What a content security policy calls an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _card(inspection: Inspection, picture: KeyFramePicture) -> _Card:
    data = base64.b64encode(picture.jpeg(JPEG_QUALITY)).decode("ascii")
    height, width = picture.pixels.shape[:2]
    reason = key_frame_reason(inspection, picture.frame)
    return _Card(picture.frame, reason, f"data:image/jpeg;base64,{data}", width, height)


def _choices(answer: Answer | None) -> list[_Choice]:
    """What there was to choose from, in the order given; nothing of guesses, whose shares mean nothing."""
    if answer is None or answer.evidence.in_domain is False:
        return []
    shares = {option.letter: share for option, share in by_share(answer.options)}
    return [
        _Choice(option, round(100 * shares[option.letter], 1), option.letter == answer.answer)
        for option in answer.options
    ]


def _verdicts(answer: Answer | None) -> list[_Verdict]:
    if answer is None or answer.check is None:
        return []
    return [
        _Verdict("Evenly spaced frames", answer.check.even_frames),
        _Verdict("Without the key frames", answer.check.without_key_frames),
    ]


def _bands(inspection: Inspection, end_s: float) -> list[_Band]:
    return [
        _Band(*_place(span.start_s, span.end_s, inspection, end_s), span) for span in event_spans(inspection)
    ]


def _bars(inspection: Inspection, end_s: float) -> list[_Bar]:
    dearest = max(frame.tokens for frame in inspection.frames) or 1
    moments = [*(frame.time_s for frame in inspection.frames), end_s]
    return [
        _Bar(*_place(start_s, until_s, inspection, end_s), round(100 * frame.tokens / dearest, 2), frame)
        for frame, (start_s, until_s) in zip(inspection.frames, pairwise(moments), strict=True)
    ]


def _place(start_s: float, until_s: float, inspection: Inspection, end_s: float) -> tuple[float, float]:
    """Where a stretch begins and how wide it is, in percent of the timeline."""
    first_s = inspection.sampling.start_s
    whole = end_s - first_s
    return round(100 * (start_s - first_s) / whole, 4), round(100 * (until_s - start_s) / whole, 4)


def _context_shares(inspection: Inspection) -> tuple[float, float]:
    """Percent of the model's context that video and text take."""
    bill = inspection.tokens
    return round(100 * bill.video / bill.context, 2), round(
        100 * (bill.prompt + bill.generated) / bill.context, 2
    )
