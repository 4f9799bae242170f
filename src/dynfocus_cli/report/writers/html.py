"""`html`: a page with player, timeline, key frames, cost and answer, which needs no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.multiple_choice import by_share
from dynfocus_cli.report.page import data_uri, link_to, page_environment
from dynfocus_cli.report.reasons import CLUSTERINGS, key_frame_reason, most_attended
from dynfocus_cli.report.spans import Sourced, event_spans, last_moment, shown_name
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource, Switch
from dynfocus_cli.scorers import SCORERS

if TYPE_CHECKING:
    from dynfocus_cli.report.pictures import KeyFramePicture
    from dynfocus_cli.types import Answer, Inspection

TEMPLATE = "inspection.html.j2"
JPEG_QUALITY = 82

MAX_EMBEDDED = 32 << 20
"""Bytes of a video that goes into a page: browsers grow slow with larger ones."""

MEDIA_TYPES = {
    "mov,mp4,m4a,3gp,3g2,mj2": "video/mp4",
    "matroska,webm": "video/webm",
    "ogg": "video/ogg",
}
"""Of the containers that browsers play, by FFmpeg's name; others are tried as MP4."""


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
    page = page_environment().from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
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
        bands=[
            {**_place(span.start_s, span.end_s, inspection, end_s), "span": span}
            for span in event_spans(inspection)
        ],
        bars=_bars(inspection, end_s),
        start_s=inspection.sampling.start_s,
        end_s=end_s,
        context=_context_shares(inspection),
    )


def embedded(video: str, container: str) -> str:
    """The whole file as a data URI. Raises OSError where it cannot be read."""
    return data_uri(MEDIA_TYPES.get(container, "video/mp4"), Path(video).read_bytes())


def _card(inspection: Inspection, picture: KeyFramePicture) -> dict[str, Any]:
    """A key frame, why it is one, and its picture as a data URI."""
    height, width = picture.pixels.shape[:2]
    return {
        "frame": picture.frame,
        "reason": key_frame_reason(inspection, picture.frame),
        "picture": data_uri("image/jpeg", picture.jpeg(JPEG_QUALITY)),
        "width": width,
        "height": height,
    }


def _choices(answer: Answer | None) -> list[dict[str, Any]]:
    """The answers to choose from, in the order given, with their shares of the likelihood of all of them;
    nothing of guesses, whose shares mean nothing."""
    if answer is None or answer.evidence.in_domain is False:
        return []
    shares = {option.letter: share for option, share in by_share(answer.options)}
    return [
        {
            "option": option,
            "percent": round(100 * shares[option.letter], 1),
            "taken": option.letter == answer.answer,
        }
        for option in answer.options
    ]


def _verdicts(answer: Answer | None) -> list[dict[str, Any]]:
    """Which other frames were asked, and what they answered; None where there are no such frames."""
    if answer is None or answer.check is None:
        return []
    return [
        {"frames": "Evenly spaced frames", "other": answer.check.even_frames},
        {"frames": "Without the key frames", "other": answer.check.without_key_frames},
    ]


def _bars(inspection: Inspection, end_s: float) -> list[dict[str, Any]]:
    """Each sampled frame, until the next one, and its tokens in percent of the dearest frame's."""
    dearest = max(frame.tokens for frame in inspection.frames) or 1
    moments = [*(frame.time_s for frame in inspection.frames), end_s]
    return [
        {
            **_place(start_s, until_s, inspection, end_s),
            "tokens": round(100 * frame.tokens / dearest, 2),
            "frame": frame,
        }
        for frame, (start_s, until_s) in zip(inspection.frames, pairwise(moments), strict=True)
    ]


def _place(start_s: float, until_s: float, inspection: Inspection, end_s: float) -> dict[str, Any]:
    """Where a span begins and how wide it is, in percent of the timeline."""
    first_s = inspection.sampling.start_s
    whole = end_s - first_s
    x, width = 100 * (start_s - first_s) / whole, 100 * (until_s - start_s) / whole
    return {"x": round(x, 4), "width": round(width, 4)}


def _context_shares(inspection: Inspection) -> tuple[float, float]:
    """Percent of the model's context that video and text take."""
    bill = inspection.tokens
    text = bill.prompt + bill.generated
    return round(100 * bill.video / bill.context, 2), round(100 * text / bill.context, 2)


def _content(export: ExportSource, file: Path) -> bytes:
    video = _player_source(export.inspection, export.switches, file)
    page = inspection_page(export.inspection, export.thumbnails, video, export.answer)
    return page.encode("utf-8", "replace")  # a file name in a warning need not be valid text


def _moments(export: MomentsSource, file: Path) -> bytes:
    from dynfocus_cli.report.moments_page import moments_page

    page = moments_page(
        export.moments, export.thumbnails, lambda video: _player_source(video, export.switches, file)
    )
    return page.encode("utf-8", "replace")


def _player_source(of: Sourced, switches: frozenset[str], page: Path) -> str:
    """The URI that a page's player is given. Raises UsageError for a video that cannot be put into it."""
    source = of.source
    if EMBED.flag not in switches:
        return link_to(source.path, page)
    try:
        return embedded(source.path, source.container)
    except OSError as error:
        raise UsageError(f"Cannot write {page}: {source.path}: {error.strerror}.") from error


def _check(video: str, switches: frozenset[str]) -> None:
    """Raises UsageError for a video that is too large to be embedded."""
    if EMBED.flag not in switches:
        return
    try:
        size = os.path.getsize(video)
    except (OSError, ValueError):
        return  # a missing video is reported when its turn comes
    if size > MAX_EMBEDDED:
        raise UsageError(
            f"`embed`: {video} has {size / 2**20:.0f} MiB, and a page holds at most "
            f"{MAX_EMBEDDED >> 20}: leave `embed` out, and keep the video beside the page."
        )


EMBED = Switch(
    "--embed", "Put the video into the page of --html; up to 32 MiB.", "puts the video into a page"
)
FORMAT = ExportFormat(
    flag="--html",
    help="Write a page with player, timeline and key frames. OUT: a file; a folder for several videos.",
    suffixes=(".html", ".htm"),
    content=_content,
    has_pictures=True,
    place=0,
    switch=EMBED,
    check=_check,
    moments=MomentsFormat(
        help="Write a page with player, curve and moments.", content=_moments, holds_several=True
    ),
)
