"""Arithmetic on sorted moments and spans, in seconds: rates, spreads, unions, thinning."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from dynfocus_cli.types import Span

ROUNDING = 1e-6
"""What sums of floats may be off: 60 s at 30 frames a second are 1800 frames, not 1801."""


def steps(length_s: float, rate: float) -> int:
    """How many moments of `rate` begin within `length_s` seconds; at least 1.

    60 s at 1/s -> 60 (0 .. 59)      60.5 s at 1/s -> 61 (0 .. 60)      0 s -> 1
    """
    return max(1, math.ceil(length_s * rate - ROUNDING))


def grid(span: Span, rate: float) -> list[float]:
    """`start + k / rate` before the end; at least the start."""
    return [span[0] + step / rate for step in range(steps(span[1] - span[0], rate))]


def spread(spans: Sequence[Span], count: int) -> list[float]:
    """`count` moments at even distances along disjoint spans laid end to end, the first where they begin.

    [(0, 60)], 4 -> 0, 15, 30, 45      [(0, 10), (20, 30)], 4 -> 0, 5, 20, 25
    """
    length_s = sum(end - start for start, end in spans)
    moments: list[float] = []
    passed_s, remaining = 0.0, iter(spans)
    start, end = next(remaining, (0.0, 0.0))
    for place in range(count if length_s > 0 else 0):
        along_s = place * length_s / count
        while (
            along_s - passed_s >= end - start - ROUNDING and (following := next(remaining, None)) is not None
        ):
            passed_s += end - start
            start, end = following
        moments.append(start + max(0.0, along_s - passed_s))
    return moments


def frames_within(frame_times_s: Sequence[float], span: Span) -> list[float]:
    """When the frames of a span are shown in it; the first may have been on screen before.

    frames at 0, 2, 5, 9 and the span (3, 9) -> 3, 5
    """
    first = max(0, bisect_right(frame_times_s, span[0] + ROUNDING) - 1)
    last = max(first + 1, bisect_left(frame_times_s, span[1] - ROUNDING))
    return [max(time_s, span[0]) for time_s in frame_times_s[first:last]]


def union(spans: Sequence[Span]) -> list[Span]:
    """The spans, sorted, with those that touch made one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def outside(span: Span, holes: Sequence[Span]) -> list[Span]:
    """The parts of `span` outside of the sorted, disjoint `holes` in it."""
    edges = [span[0], *(edge for hole in holes for edge in hole), span[1]]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if end > start]


def thin(moments: Sequence[float], keep: Sequence[float], count: int) -> list[float]:
    """`count` of the moments, evenly chosen, all of `keep` among them."""
    kept = set(keep)
    others = [moment for moment in moments if moment not in kept]
    chosen = max(0, min(count - len(keep), len(others)))
    return sorted([*keep, *(others[place * len(others) // chosen] for place in range(chosen))])


def merge(moments: Sequence[float], keep: Sequence[float], gap_s: float) -> list[float]:
    """The moments, sorted, without those closer than `gap_s` to one before, or to one of `keep`.

    `keep` themselves are at least `gap_s` apart.
    """
    kept, merged = set(keep), list[float]()
    for moment in sorted(kept.union(moments)):
        if not merged or moment - merged[-1] >= gap_s * (1 - ROUNDING):
            merged.append(moment)
        elif moment in kept:
            merged[-1] = moment
    return merged


def replace_nearest(moments: Sequence[float], pinned: Sequence[float]) -> list[float]:
    """The moments, as many as before, where each of `pinned` takes the place of the nearest that is free."""
    there, kept = set(moments), set(pinned)
    free = [moment for moment in moments if moment not in kept]
    for moment in pinned:
        if free and moment not in there:
            distances = [abs(other - moment) for other in free]
            del free[distances.index(min(distances))]
    return sorted([*free, *pinned])


def fill(moments: Sequence[float], count: int, span: Span, gap_s: float) -> list[float]:
    """The moments and more, in the middle of the widest gaps, up to `count`, none closer than `gap_s`."""
    filled = list(moments)
    if filled and len(filled) < count and filled[0] - span[0] >= gap_s:
        filled.insert(0, span[0])
    while filled and len(filled) < count:
        widths = [after - before for before, after in zip(filled, [*filled[1:], span[1]], strict=True)]
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] < 2 * gap_s * (1 - ROUNDING):
            break
        filled.insert(widest + 1, filled[widest] + widths[widest] / 2)
    return filled
