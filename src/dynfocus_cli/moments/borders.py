"""The borders of spans, found to the frame by looking more closely where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.moments.spans import ScoredSpan
from dynfocus_cli.types import Span, VideoSource

Look = Callable[[Sequence[float]], tuple[Sequence[float], Sequence[float]]]
"""From moments, seconds and ascending, to the scores of the frames on screen there, and since when each is on
screen."""
CLOSE = 0.25
"""A border is found once it is known to so many frames."""
UNKNOWN_FPS = 25.0
"""Of a video that does not say."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """Spans with exact borders."""

    spans: list[ScoredSpan]
    """In the order in which they were given."""
    frames: int
    """Decoded for it."""


@dataclass(slots=True)
class _Border:
    before: float
    """A moment at which the frame is as on this side."""
    after: float
    """The first moment known to be as on the other side."""
    rises: bool
    """Whether the score is higher after it."""
    level: float
    """The score from which on a frame belongs to the span."""


def refine(source: VideoSource, found: Sequence[ScoredSpan], look: Look) -> Refinement:
    """The spans with each border on a frame that belongs to the other side of it than the one before, by its
    score.

    The time between two sampled moments is halved until a frame is left, for all borders together, so that
    the file is gone through a few times however many there are.

    before 2.0 s, after 3.0 s: 2.5 belongs to the span, 2.25 does not, ... -> the frame shown from 2.28 s on

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    close_s = CLOSE / (source.fastest_fps or source.fps or UNKNOWN_FPS)
    borders: dict[Span, _Border] = {}
    for span in found:
        for (before, after), rises in ((span.start_within, True), (span.end_within, False)):
            if before < after:
                borders[before, after] = _Border(before, after, rises, span.level)
    frames = 0
    while True:
        unsettled = [border for border in borders.values() if border.after - border.before > close_s]
        if not unsettled:
            break
        unsettled.sort(key=lambda border: border.before + border.after)
        middles = [(border.before + border.after) / 2 for border in unsettled]
        seen, shown_s = look(middles)
        frames += len(set(shown_s))
        for border, middle, score, since in zip(unsettled, middles, seen, shown_s, strict=True):
            if (score >= border.level) == border.rises:
                # On screen already when it was looked at: the border is where it appeared.
                border.after = max(min(since, middle), border.before)
            else:
                border.before = middle
    return Refinement([_placed(span, borders) for span in found], frames)


def _placed(span: ScoredSpan, borders: dict[Span, _Border]) -> ScoredSpan:
    start, end = borders.get(span.start_within), borders.get(span.end_within)
    return replace(
        span,
        start_s=span.start_s if start is None else start.after,
        end_s=span.end_s if end is None else end.after,
    )
