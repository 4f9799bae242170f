"""Which moments of a video to look at, decided before any decoding."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import SamplingPlan, Span, VideoSource
from dynfocus_cli.video.mentions import Mentions
from dynfocus_cli.video.moments import (
    ROUNDING,
    fill,
    frames_within,
    grid,
    merge,
    outside,
    replace_nearest,
    spread,
    steps,
    thin,
    union,
)
from dynfocus_cli.video.timecode import format_timecode

FOCUS_HALF_WIDTH_S = 4.0
"""A named moment is looked at closely this far to both sides: people name times a few seconds off."""

FOCUS_DENSITY = 2.0
"""Rate inside a focus span, as a multiple of the base rate."""
SPARSER = 1.5
"""From this many times the default interval between frames on it is told, unasked."""


@dataclass(frozen=True, slots=True)
class _Base:
    """The plan before anything is looked at more closely."""

    span: Span
    count: int
    exact: bool
    """`count` was asked for with `frames`; else it follows from a rate and may grow up to `limit`."""
    limit: int
    rate: float
    """Frames a second that were asked for: what focus doubles, also where `limit` made the base sparser."""
    own_fps: float
    """The video's own rate, where its frames follow each other most closely."""
    frame_times_s: tuple[float, ...]
    """When each of its frames is shown, where some are held for long."""

    @property
    def fps(self) -> float:
        """Frames a second that the base really has."""
        if self.follows_rate:
            return self.rate
        return self.count / (self.span[1] - self.span[0])

    @property
    def follows_rate(self) -> bool:
        """True where the moments are `start + k / rate`."""
        evenly = self.exact and self.rate < self.own_fps
        return not evenly and self.count == steps(self.span[1] - self.span[0], self.rate)

    @property
    def gap_s(self) -> float:
        """Half a frame interval, seconds: what lies closer is taken for the same frame."""
        return 0.5 / self.own_fps

    def times(self) -> list[float]:
        return grid(self.span, self.rate) if self.follows_rate else spread([self.span], self.count)


def plan_sampling(
    source: VideoSource,
    options: SamplingOptions,
    mentions: Mentions,
    *,
    default_fps: float,
    default_max_frames: int,
    frames_option: str | None = None,
) -> SamplingPlan:
    """The moments to look at, in seconds; pure.

    At a rate, moment k is `start + k / fps`, before the end. Where that is too many, or with `frames`, n
    moments divide the span evenly, each at the beginning of its n-th. So either way it begins with the first,
    the rate is exactly `n / span`, and no moment is the end itself, where no frame is on screen.

        60 s at 1 fps -> 0, 1, ... 59      60 s with 4 frames -> 0, 15, 30, 45

    Around named moments and in named spans (focus) the rate is doubled, up to the video's own; a named moment
    is itself sampled. Where that exceeds the limit, focus takes half of it, or its even share if more.

    Where frames are held for long (screen recordings, slides) and not all can be looked at, a moment that
    shows a frame again makes room for one that no moment shows.

    Args:
        frames_option: the flag that `options.frames` comes from, if not from `frames` itself.

    Raises:
        UsageError: `start_s` or `at_s` past the end, or `at_s` outside of `start_s` to `end_s`.
    """
    warnings: list[str] = []
    span = _span(source, options, mentions, warnings)
    base = _base(source, options, span, default_fps, default_max_frames, warnings, frames_option)
    most = base.count if base.exact else base.limit
    pinned = _pinned(source, options, mentions, base, most, warnings)
    around = [(moment - FOCUS_HALF_WIDTH_S, moment + FOCUS_HALF_WIDTH_S) for moment in pinned]
    focus = union(_clipped(around, span) + _named_spans(mentions, span, warnings))
    times, fps = _place(base, focus, pinned, most)
    if base.frame_times_s and not base.follows_rate:
        times = _one_a_frame(base, times, pinned)
    return SamplingPlan(
        policy="uniform" if base.exact else "fps",
        fps=fps if span[1] > span[0] else None,
        times_s=tuple(times),
        start_s=span[0],
        end_s=span[1],
        focus=tuple(focus),
        focus_times_s=tuple(pinned),
        warnings=tuple(warnings),
    )


def _span(source: VideoSource, options: SamplingOptions, mentions: Mentions, warnings: list[str]) -> Span:
    """The span from `start_s` to `end_s` that lies inside the video."""
    length = f"the video is {format_timecode(source.duration_s)} long"
    start = options.start_s
    if start is None:
        # Before the first frame a player shows nothing, and we the frame that comes, to who asks for it.
        named = [*mentions.moments, *(begin_s for begin_s, _ in mentions.spans)]
        if options.at_s is not None:
            named.append(options.at_s)
        if options.end_s is not None and options.end_s <= source.first_frame_s:
            named.append(0.0)
        start = max(0.0, min([source.first_frame_s, *named]))
    end = source.duration_s if options.end_s is None else options.end_s
    for flag, value in (("`start_s`", start), ("`end_s`", end), ("`at_s`", options.at_s or 0.0)):
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{flag} must be a time from 0 on, got {value:g}.")
    if start > 0 and start >= source.duration_s:
        raise UsageError(f"`start_s` {format_timecode(start)} is past the end: {length}.")
    if options.at_s is not None and options.at_s > 0 and options.at_s >= source.duration_s:
        raise UsageError(f"`at_s` {format_timecode(options.at_s)} is past the end: {length}.")
    if end > source.duration_s:
        warnings.append(
            f"`end_s` {format_timecode(end)} is past the end: {length}, and is looked at up to there."
        )
    span = start, min(end, source.duration_s)
    if options.at_s is not None and not (span[0] <= options.at_s < span[1] or span[0] == options.at_s):
        raise UsageError(
            f"`at_s` {format_timecode(options.at_s)} lies outside of `start_s` and `end_s` "
            f"({format_timecode(span[0])} to {format_timecode(span[1])})."
        )
    return span


def _base(
    source: VideoSource,
    options: SamplingOptions,
    span: Span,
    default_fps: float,
    default_max_frames: int,
    warnings: list[str],
    frames_option: str | None,
) -> _Base:
    own_fps = source.fastest_fps or source.fps or 1.0
    length_s = span[1] - span[0]
    limit = default_max_frames if options.max_frames is None else options.max_frames
    shown = len(frames_within(source.frame_times_s, span)) or steps(length_s, own_fps)
    if options.frames is None:
        rate = min(default_fps if options.fps is None else options.fps, own_fps)
        count = steps(length_s, rate)
        option = None if options.fps is None else f"`fps={options.fps:g}`"
    else:
        count = min(options.frames, shown)
        rate = own_fps if count == shown else max(min(default_fps, own_fps), count / length_s)
        option = frames_option or f"`frames={options.frames}`"
    if count > limit and (option is not None or count > SPARSER * limit):
        cause = "`max_frames`, or the tokens left, allow"
        asks = f"{option} asks for {count} frames, but " if option else ""
        frames = limit if option else f"{limit} frames"
        warnings.append(
            f"{asks}{cause} {frames}: one every {length_s / limit:.1f} s, and what shows only in between is "
            "not seen. `start_s` and `end_s` look at a part more closely."
        )
    return _Base(
        span, min(count, limit), options.frames is not None, limit, rate, own_fps, source.frame_times_s
    )


def _pinned(
    source: VideoSource,
    options: SamplingOptions,
    mentions: Mentions,
    base: _Base,
    most: int,
    warnings: list[str],
) -> list[float]:
    """The named moments that are sampled themselves, sorted: `at_s` first, no two on one frame."""
    pinned: list[float] = []
    for moment in (() if options.at_s is None else (options.at_s,)) + mentions.moments:
        if moment >= source.duration_s and moment != options.at_s:
            continue  # the mention's own warning says so
        if not (base.span[0] <= moment < base.span[1] or moment == base.span[0]):
            warnings.append(
                f"{format_timecode(moment)} lies outside of `start_s` and `end_s`: that time is ignored."
            )
        elif all(abs(moment - other) >= base.gap_s for other in pinned):
            if len(pinned) < most:
                pinned.append(moment)
            else:
                warnings.append(f"{format_timecode(moment)} is ignored: only {most} frames are taken.")
    return sorted(pinned)


def _named_spans(mentions: Mentions, span: Span, warnings: list[str]) -> list[Span]:
    """What `span` has of each span that the question names."""
    for part in mentions.spans:
        if not _clipped([part], span):
            warnings.append(
                f"{format_timecode(part[0])} to {format_timecode(part[1])} lies outside of `start_s` and "
                "`end_s`: that time is ignored."
            )
    return _clipped(mentions.spans, span)


def _clipped(parts: Sequence[Span], span: Span) -> list[Span]:
    """What of `parts` lies in `span`."""
    clipped = [(max(start, span[0]), min(end, span[1])) for start, end in parts]
    return [(start, end) for start, end in clipped if end > start]


def _place(base: _Base, focus: list[Span], pinned: list[float], most: int) -> tuple[list[float], float]:
    """The moments, and the rate outside of focus: dense in `focus`, the base elsewhere, `most` at most."""
    if base.span[1] <= base.span[0]:
        return [base.span[0]], 0.0
    dense_fps = min(FOCUS_DENSITY * max(base.rate, base.fps), base.own_fps)
    if not focus or base.fps >= dense_fps * (1 - ROUNDING):
        return merge(replace_nearest(base.times(), pinned), pinned, base.gap_s), base.fps
    # Beginning at a named moment puts it on the grid, with its neighbours at even distances.
    near = merge([moment for part in focus for moment in _dense(part, pinned, dense_fps)], pinned, base.gap_s)
    rest = outside(base.span, focus)
    rest_s = sum(end - start for start, end in rest)
    fps = base.fps
    far_most = sum(steps(end - start, base.own_fps if base.exact else base.rate) for start, end in rest)
    if base.exact or len(near) + far_most > most:
        # The rest needs no more than its share at the base rate: naming a large part of the video must not
        # make that part sparser.
        far_share = min(far_most, math.floor(rest_s * base.fps + ROUNDING))
        near = thin(near, pinned, max(most // 2, most - far_share, len(pinned)))
        # Of the moments that a question without times looks at: their features may be kept already.
        usual = [time for time in base.times() if any(start <= time < end for start, end in rest)]
        far = thin(usual, (), min(far_most, most - len(near)))
        fps = min(len(far) / rest_s, base.own_fps) if far else fps
    else:
        far = [time for time in grid(base.span, base.rate) if any(start <= time < end for start, end in rest)]
    times = merge(near + far, pinned, base.gap_s)
    return (fill(times, base.count, base.span, base.gap_s) if base.exact else times), fps


def _one_a_frame(base: _Base, times: list[float], pinned: list[float]) -> list[float]:
    """The moments, where each that shows a frame again is replaced by one of a frame that none shows."""
    frames = frames_within(base.frame_times_s, base.span)
    shown = {
        max(0, bisect_right(frames, moment + ROUNDING) - 1): moment for moment in [*times, *pinned][::-1]
    }
    fresh = [moment for moment in times if moment in pinned or moment in shown.values()]
    again = [moment for moment in times if moment not in fresh]
    unseen = [moment for frame, moment in enumerate(frames) if frame not in shown]
    taken = thin(unseen, (), min(len(unseen), len(again)))
    return sorted([*fresh, *taken, *thin(again, (), len(again) - len(taken))])


def _dense(part: Span, pinned: list[float], rate: float) -> list[float]:
    """Moments of `rate` in one focus span, through its first named moment if it has one."""
    anchor = next((moment for moment in pinned if part[0] <= moment < part[1]), part[0])
    before = math.floor((anchor - part[0]) * rate + ROUNDING)
    after = steps(part[1] - anchor, rate)
    return [max(part[0], anchor + step / rate) for step in range(-before, after)]
