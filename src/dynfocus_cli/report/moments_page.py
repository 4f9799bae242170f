"""A page of what a search found: a player, each video's curve, and the moments, which jump there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from typing import Any

from dynfocus_cli.moments.moment import Moment, Moments, VideoMoments
from dynfocus_cli.report.moment_pictures import MomentPicture
from dynfocus_cli.report.page import data_uri, page_environment
from dynfocus_cli.report.spans import shown_name

TEMPLATE = "moments.html.j2"
JPEG_QUALITY = 82
HEIGHT = 64
"""Pixels of a bar of score 1, in a timeline whose base is 76 pixels from its top."""
BASE = 76


def moments_page(moments: Moments, pictures: list[MomentPicture], link: Callable[[VideoMoments], str]) -> str:
    """The page as HTML, with the videos in which something was found; of a single video also where not.

    Everything that is not ours is escaped, and the page's content security policy lets run only the script
    and styles that are in the template.

    Args:
        pictures: one for each of the ranked moments, in their order.
        link: gives the URI of the player's source, relative or `data:`.
    """
    ranked = moments.ranked
    named = {moment.video for moment in ranked}
    shown = [video for video in moments.videos if video.source.path in named] or list(moments.videos[:1])
    place = {video.source.path: number for number, video in enumerate(shown)}
    tolerances = [moment.tolerance_s for moment in ranked]
    page = page_environment().from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return page.render(
        of=moments,
        heading=shown_name(shown[0].source.path) if len(moments.videos) == 1 else _count(moments),
        about=_about(moments),
        warnings=list(dict.fromkeys(warning for video in moments.videos for warning in video.warnings)),
        videos=[_timeline(video, ranked, link(video)) for video in shown],
        cards=[
            {
                "moment": moment,
                "video": place[moment.video],
                "name": shown_name(moment.video),
                "picture": data_uri("image/jpeg", picture.jpeg(JPEG_QUALITY)),
            }
            for moment, picture in zip(ranked, pictures, strict=True)
        ],
        tolerance=f"{max(tolerances, default=0.0):.2g} s",
    )


def _count(moments: Moments) -> str:
    found = len(moments.ranked)
    return f"{found} {'moment' if found == 1 else 'moments'} in {len(moments.videos)} videos"


def _about(moments: Moments) -> str:
    """What was searched, a line."""
    frames = sum(len(video.curve.times_s) for video in moments.videos)
    if len(moments.videos) > 1:
        return f"{frames} frames looked at in {len(moments.videos)} videos"
    source = moments.videos[0].source
    size = f"{source.width}×{source.height} · {source.codec} · {source.fps:.6g} frames a second"
    return f"{size} · {frames} frames looked at"


def _timeline(video: VideoMoments, ranked: tuple[Moment, ...], src: str) -> dict[str, Any]:
    """A video's curve and moments, in percent of the time that was searched."""
    times_s, scores = video.curve.times_s, video.curve.scores
    own = [(rank, moment) for rank, moment in enumerate(ranked, 1) if moment.video == video.source.path]
    first_s, last_s = video.searched_s
    start_s = min([first_s, *(moment.start_s for _, moment in own)])
    end_s = max([last_s, *(moment.end_s for _, moment in own)])

    def place(begin_s: float, until_s: float) -> dict[str, float]:
        whole = end_s - start_s
        x, width = 100 * (begin_s - start_s) / whole, 100 * (until_s - begin_s) / whole
        return {"x": round(x, 4), "width": round(max(width, 0.0), 4)}

    return {
        "name": shown_name(video.source.path),
        "src": src,
        "start_s": round(start_s, 6),
        "end_s": round(end_s, 6),
        "clock_start_s": max(video.source.start_s, 0),
        "bands": [
            {**place(moment.start_s, moment.end_s), "rank": rank, "moment": moment} for rank, moment in own
        ],
        "bars": [
            {
                **place(time_s, until_s),
                "y": round(BASE - HEIGHT * score, 1),
                "height": round(HEIGHT * score, 1),
                "time_s": time_s,
                "score": score,
                "is_found": any(moment.start_s <= time_s < moment.end_s for _, moment in own),
            }
            for (time_s, until_s), score in zip(pairwise((*times_s, last_s)), scores, strict=True)
        ],
    }
