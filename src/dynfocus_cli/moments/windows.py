"""The search by a model that has no vectors: its language model is asked about one stretch after another.

It takes an answer a window, so one video can be searched so, and no library of them be indexed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.embedding import MOST_FRAMES
from dynfocus_cli.moments.moment import Curve, Moment, Threshold, VideoMoments
from dynfocus_cli.moments.spans import ranked, spans
from dynfocus_cli.moments.verify import log_odds_of
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import SamplingPlan, Span, VideoSource
from dynfocus_cli.video import Mentions, plan_sampling, probe

WINDOW_S = 4.0
"""Length of a stretch that is asked about."""
THRESHOLD = 0.5
"""From here on "yes" is likelier than "no"."""
_IGNORED = (
    "{options} {are} ignored: {name} alone is asked about a few seconds at a time, and sees their frames at "
    "its own rate."
)


def find_by_windows(
    video: str,
    caption: str,
    model: Backend,
    options: FindOptions,
    sampling: SamplingOptions,
    decoding: DecodingOptions,
    progress: Progress,
) -> VideoMoments:
    """When the file `video` shows what `caption` says, to the window: each is as likely as "yes" is against
    "no" where the model is asked whether the window shows it. Borders are not refined.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end.
    """
    source = probe(video)
    plan = plan_windows(source, sampling, model.spec.name, model.spec.defaults.fps)
    within = plan.start_s, max(plan.end_s, plan.start_s + 1e-3)
    windows = list(divided(within))
    progress.stage("generate", len(windows))
    times_s, scores = [], []
    for window in windows:
        odds = log_odds_of(video, window, caption, model, decoding)
        times_s.append(sum(window) / 2)
        scores.append(1 / (1 + math.exp(-max(-700.0, min(700.0, odds)))))
        progress.advance(1)
    curve = Curve(tuple(times_s), tuple(scores))
    given = options.threshold
    threshold = Threshold(THRESHOLD, "unmeasured") if given is None else Threshold(given, "option")
    found = ranked(spans(curve, within, threshold.value, min_length_s=options.min_length_s))
    half_s = (windows[0][1] - windows[0][0]) / 2
    moments = tuple(
        Moment(video, span.start_s, span.end_s, span.score, span.best_s, max(half_s, span.tolerance_s))
        for span in found[: options.top]
    )
    return VideoMoments(source, moments, curve, plan.warnings, threshold=threshold)


def plan_windows(source: VideoSource, sampling: SamplingOptions, name: str, fps: float) -> SamplingPlan:
    """The part of the video that is asked for, at the model's own rate; where `sampling` says how many frames
    to look at, a warning.

    Args:
        name: the model's.
        fps: its rate.

    Raises:
        UsageError: a time past the end.
    """
    counts = {"fps": sampling.fps, "frames": sampling.frames, "max_frames": sampling.max_frames}
    ignored = [f"`{option}`" for option, value in counts.items() if value is not None]
    part = replace(sampling, fps=None, frames=None, max_frames=None)
    plan = plan_sampling(source, part, Mentions(), default_fps=fps, default_max_frames=MOST_FRAMES)
    if not ignored:
        return plan
    are = "is" if len(ignored) == 1 else "are"
    warning = _IGNORED.format(options=" and ".join(ignored), are=are, name=name)
    return replace(plan, warnings=(warning, *plan.warnings))


def divided(within: Span) -> Iterator[Span]:
    """The stretch in equal windows of about `WINDOW_S` seconds.

    0 to 9 s -> 0 to 4.5, 4.5 to 9
    """
    start_s, end_s = within
    count = max(1, round((end_s - start_s) / WINDOW_S))
    edges = [start_s + (end_s - start_s) * index / count for index in range(count + 1)]
    yield from pairwise(edges)
