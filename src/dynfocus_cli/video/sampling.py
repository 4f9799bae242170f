"""Which moments of a video to decode, decided before any decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import SamplingOptions, SamplingPlan, Span, VideoSource
from dynfocus_cli.video.mentions import Mentions
from dynfocus_cli.video.timecode import format_timecode

FOCUS_HALF_WIDTH_S = 4.0
"""A named moment is looked at closely this far to both sides: people name times a few seconds off."""

FOCUS_DENSITY = 2.0
"""Rate inside a focus span, as a multiple of the base rate."""

_ROUNDING_S = 1e-6


def plan_sampling(
    source: VideoSource,
    options: SamplingOptions,
    mentions: Mentions,
    *,
    default_fps: float,
    default_max_frames: int,
) -> SamplingPlan:
    """The moments to look at, seconds from the first displayed frame; pure.

    At a rate, moment k is `start + k / fps`, before the end. Where that is too many, or with `--frames`, n
    moments divide the span evenly, each at the beginning of its n-th: both ways begin with the first frame, and
    the rate is exactly `n / span`. The end itself is no moment, no frame is on screen there.

        60 s at 1 fps -> 0, 1, ... 59      60 s with 4 frames -> 0, 15, 30, 45

    Around named moments, and in named spans, the rate is doubled, up to the video's own; the moments themselves
    are always kept. Where that exceeds the limit, focus takes at most half of it, or what the rest leaves over.

    Raises:
        UsageError: `--start` or `--at` past the end, or `--at` outside of `--start` and `--end`.
    """
    (start, end), warnings = _span(source, options)
    limit = default_max_frames if options.max_frames is None else options.max_frames
    own_fps = source.fps if source.fps > 0 else default_fps
    frames_shown = max(1, math.ceil((end - start) * own_fps - _ROUNDING_S))
    if options.frames is not None:
        wanted, nominal_fps = options.frames, min(default_fps, own_fps)
        limit_is_news = options.frames > limit
    else:
        nominal_fps = min(options.fps or default_fps, own_fps)
        wanted = _steps(end - start, nominal_fps)
        limit_is_news = options.fps is not None and wanted > limit
    if limit_is_news:
        flag = f"--frames {options.frames}" if options.frames is not None else f"--fps {options.fps:g}"
        warnings.append(f"{flag} gives {wanted} frames; --max-frames lowers that to {limit}.")
    count = min(wanted, limit, frames_shown)

    pinned, spans = _named(source, options, mentions, (start, end), warnings)
    pinned = _pinned(pinned, limit, 0.5 / own_fps, warnings)
    focus = _union([_window(moment, start, end) for moment in pinned] + spans)
    dense_fps = min(FOCUS_DENSITY * max(nominal_fps, count / max(end - start, _ROUNDING_S)), own_fps)
    keeps_rate = options.frames is None and count == wanted
    times, fps = _base(start, end, count, nominal_fps if keeps_rate else None)
    if focus and dense_fps > (fps or math.inf) * (1 + _ROUNDING_S):
        exactly = count if options.frames is not None else None
        times, fps = _densified(
            (start, end), focus, pinned, times, fps or 0.0, dense_fps, exactly or min(limit, frames_shown), keeps_rate
        )
        if exactly is not None:
            times = _filled(times, pinned, exactly, end, 0.5 / own_fps)
    times = _with_pinned(times, pinned, 0.5 / own_fps, limit)
    return SamplingPlan(
        policy="fps" if options.frames is None else "uniform",
        fps=fps,
        times_s=tuple(times),
        start_s=start,
        end_s=end,
        focus=tuple(focus),
        focus_times_s=tuple(pinned),
        warnings=tuple(warnings),
    )
