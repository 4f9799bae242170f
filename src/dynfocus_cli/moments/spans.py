"""From a curve of probabilities to spans of time: pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.moments.moment import Curve
from dynfocus_cli.types import Span

PEAK_SHARE = 0.5
"""A span goes on while the score is at least this share of its highest one."""
JITTER_S = 1e-6
"""Times that lie closer are the same."""


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A stretch of a video whose frames fit a caption."""

    start_s: float
    end_s: float
    score: float
    """Of its best frame."""
    best_s: float
    """When that is; of equals the first."""
    level: float
    """The score from which on a frame belongs to it."""
    start_within: Span
    """The last sampled moment before it and its first one: it starts after the one, and at the other at the
    latest. Equal where there is none before."""
    end_within: Span
    """Its last sampled moment, and the first one after it, likewise."""

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s

    @property
    def longest_s(self) -> float:
        """Seconds that it may turn out to be long."""
        return self.end_within[1] - self.start_within[0]

    @property
    def tolerance_s(self) -> float:
        """How far off a border can be, seconds, if it lies between the two moments."""
        borders = (self.start_s, self.start_within), (self.end_s, self.end_within)
        return max(max(at - low, high - at) for at, (low, high) in borders)


def spans(
    curve: Curve,
    within: Span,
    threshold: float,
    *,
    min_length_s: float = 0.0,
    peak_share: float = PEAK_SHARE,
) -> list[ScoredSpan]:
    """The spans in which a curve reaches the threshold, in time order and apart.

    A border lies half-way between two sampled frames. A sampled moment belongs to a span if its score is at
    least `threshold` and `peak_share` of the span's highest score.

    times 0 1 2 3 4, scores 0 .9 .9 0 0, threshold .5 -> 0.5 to 2.5

    Args:
        within: where the sampled part begins and ends, seconds.
        min_length_s: shorter ones are left out.
    """
    found = []
    for first, last, level in _runs(curve.scores, threshold, peak_share):
        best = max(range(first, last + 1), key=lambda index: (curve.scores[index], -index))
        start_within = _gap(curve.times_s, first - 1, first, within)
        end_within = _gap(curve.times_s, last, last + 1, within)
        span = ScoredSpan(
            start_s=sum(start_within) / 2,
            end_s=sum(end_within) / 2,
            score=curve.scores[best],
            best_s=curve.times_s[best],
            level=level,
            start_within=start_within,
            end_within=end_within,
        )
        if span.length_s > 0 and span.length_s >= min_length_s - JITTER_S:
            found.append(span)
    return found


def merged(found: Sequence[ScoredSpan]) -> list[ScoredSpan]:
    """The same in time order, those that overlap or touch as one."""
    together: list[ScoredSpan] = []
    for span in sorted(found, key=lambda span: (span.start_s, span.end_s)):
        if together and span.start_s <= together[-1].end_s + JITTER_S:
            together[-1] = _joined(together[-1], span)
        else:
            together.append(span)
    return together


def ranked(found: Sequence[ScoredSpan]) -> list[ScoredSpan]:
    """The best first; of equals the earlier."""
    return sorted(found, key=lambda span: (-span.score, span.start_s))


def may_be_as_long(found: Sequence[ScoredSpan], min_length_s: float) -> list[ScoredSpan]:
    """Those that are at least `min_length_s` long if their borders are as far apart as they can be."""
    return [span for span in found if span.longest_s >= min_length_s - JITTER_S]


def _joined(one: ScoredSpan, other: ScoredSpan) -> ScoredSpan:
    best = other if other.score > one.score else one
    last = other if other.end_s > one.end_s else one
    return replace(
        one,
        end_s=last.end_s,
        end_within=last.end_within,
        score=best.score,
        best_s=best.best_s,
        level=min(one.level, other.level),
    )


def _runs(scores: Sequence[float], threshold: float, peak_share: float) -> Iterator[tuple[int, int, float]]:
    """First and last index of each run that is high enough for its own peak, and how high that is."""
    for first, last in _above(scores, threshold, 0, len(scores)):
        level = max(threshold, peak_share * max(scores[first : last + 1]))
        for start, end in _above(scores, level, first, last + 1):
            yield start, end, level


def _above(scores: Sequence[float], level: float, begin: int, end: int) -> Iterator[tuple[int, int]]:
    first: int | None = None
    for index in range(begin, end):
        if scores[index] >= level:
            first = index if first is None else first
        elif first is not None:
            yield first, index - 1
            first = None
    if first is not None:
        yield first, end - 1


def _gap(times_s: Sequence[float], before: int, after: int, within: Span) -> Span:
    """The moments on both sides of a border; at the ends of what was sampled, twice the end."""
    if before < 0:
        return within[0], within[0]
    if after >= len(times_s):
        return within[1], within[1]
    return times_s[before], times_s[after]


def overlap(one: Span, other: Span) -> float:
    """Intersection over union of two spans, 0 to 1."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, shared) / (max(one[1], other[1]) - min(one[0], other[0])) if shared > 0 else 0.0
