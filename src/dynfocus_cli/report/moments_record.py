"""The record of a search, `dynfocus.moments/1`: of one video, or of all of them together.

Beside our own fields it has those that QVHighlights' evaluation reads of a prediction
(jayleicn/moment_detr, standalone_eval): `qid`, `query`, `vid`, `pred_relevant_windows`,
`pred_saliency_scores`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dynfocus_cli.moments.moment import Moment, Moments, VideoMoments
from dynfocus_cli.report.json import Record, fields_of, rounded
from dynfocus_cli.report.spans import stem_of
from dynfocus_cli.types import Timings
from dynfocus_cli.video.timecode import format_timecode

MOMENTS = "dynfocus.moments/1"


def moments_record(moments: Moments) -> Record:
    """What a search found. Of several videos there is no curve, and nothing of QVHighlights, which knows one
    video a query."""
    ranked = moments.ranked
    one = moments.videos[0] if moments.count == 1 and not moments.failures else None
    warnings = [*dict.fromkeys(warning for video in moments.videos for warning in video.warnings)]
    return {
        "schema": MOMENTS,
        "video": one and one.source.path,
        "query": moments.query,
        "caption": moments.caption,
        "model": fields_of(moments.model, "name backend revision quantization device"),
        "videos": moments.count,
        "failed": len(moments.failures),
        "moments": [_moment(rank, moment) for rank, moment in enumerate(ranked, start=1)],
        "not_found": not ranked,
        "threshold": moments.threshold and fields_of(moments.threshold, "value:4 origin"),
        "in_domain": _in_domain(moments.videos),
        "curve": one and _curve(one),
        "frames_refined": sum(video.frames_refined for video in moments.videos),
        "qid": None,
        "vid": one and stem_of(one.source.path),
        "pred_relevant_windows": one
        and [
            [rounded(moment.start_s, 3), rounded(moment.end_s, 3), rounded(moment.score, 4)]
            for moment in ranked
        ],
        "pred_saliency_scores": one
        and [rounded(score, 4) for score in one.curve.clip_scores(one.source.duration_s)],
        "warnings": warnings,
        "timings_s": _timings(moments.timed),
    }


def _moment(rank: int, moment: Moment) -> Record:
    return {
        "rank": rank,
        "video": moment.video,
        **fields_of(moment, "start_s:3 end_s:3"),
        "start": format_timecode(moment.start_s),
        "end": format_timecode(moment.end_s),
        **fields_of(moment, "score:4 best_s:3"),
        "origins": list(moment.origins),
        **fields_of(moment, "tolerance_s:4 log_odds:4 text"),
    }


def _curve(video: VideoMoments) -> dict[str, Any]:
    return {
        "times_s": [rounded(time_s, 3) for time_s in video.curve.times_s],
        "scores": [rounded(score, 4) for score in video.curve.scores],
    }


def _in_domain(videos: tuple[VideoMoments, ...]) -> bool | None:
    """Whether all videos and the text are such as the model was trained on; None where it does not say."""
    said = [video.in_domain for video in videos if video.in_domain is not None]
    return all(said) if said else None


def _timings(timed: tuple[Timings, ...]) -> dict[str, float]:
    """Seconds a stage, of all videos together."""
    stages = (stage.name for stage in fields(Timings))
    return {stage: rounded(sum(getattr(each, stage) for each in timed), 3) for stage in stages}
