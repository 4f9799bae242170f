"""The picture of tokens against accuracy: where each arm's point and label stand.

Across, places are in per cent of the picture's width, so that it fits any page; down, in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dynfocus_cli.evaluation.report import ArmReport

TOP, BOTTOM = 14, 244
"""Pixels at which the axis of accuracy ends and begins."""
LINE = 17
"""Pixels from one label to the next, at least."""
DODGE = 9
"""Pixels between points that would lie on one another."""
CLOSE = 4.0
"""Per cent of the width: points closer than this are moved apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """An arm in the picture."""

    arm: str
    x: float
    """Per cent."""
    dx: int
    """Pixels from there, where another point is as close."""
    y: float
    low: float | None
    """Pixels down to the interval's ends."""
    high: float | None
    label_dx: int
    """Pixels from `x` to the label; negative where it stands to the left of its point."""
    label_y: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points, and the ticks of both axes."""

    points: tuple[Point, ...]
    tokens: tuple[tuple[float, int], ...]
    """Place in per cent, and the number there."""
    percents: tuple[tuple[float, int], ...]
    """Place in pixels, and the number there."""
    top: int = TOP
    bottom: int = BOTTOM


def scatter(arms: Sequence[ArmReport]) -> Scatter | None:
    """The picture of the arms that have an accuracy; None where there is none."""
    shown = [(arm, arm.accuracy, arm.tokens) for arm in arms if arm.accuracy and arm.tokens]
    if not shown:
        return None
    ends = [
        100 * end
        for _, accuracy, _ in shown
        for end in (accuracy.low, accuracy.value, accuracy.high)
        if end is not None
    ]
    low, high, step = _scale(min(ends), max(ends), most=100)
    # Zero is on the axis of tokens: half as many are half as far.
    _, most, token_step = _scale(0, max(tokens.mean for *_, tokens in shown) * 1.05)

    def down(share: float | None) -> float | None:
        if share is None:
            return None
        return round(BOTTOM - (BOTTOM - TOP) * (100 * share - low) / (high - low), 1)

    places = {
        arm.name: (100 * tokens.mean / most, down(accuracy.value) or 0.0) for arm, accuracy, tokens in shown
    }
    dodges = _dodges({name: x for name, (x, _) in places.items()})
    points = []
    for to_left in (False, True):
        side = {name: y for name, (x, y) in places.items() if (x > 50) == to_left}
        labels = _spread(side)
        reach = max((abs(dodges[name]) for name in side), default=0) + 14
        for arm, accuracy, _ in shown:
            if arm.name in side:
                x, y = places[arm.name]
                points.append(
                    Point(
                        arm=arm.name,
                        x=round(x, 2),
                        dx=dodges[arm.name],
                        y=y,
                        low=down(accuracy.low),
                        high=down(accuracy.high),
                        label_dx=-reach if to_left else reach,
                        label_y=labels[arm.name],
                    )
                )
    return Scatter(
        points=tuple(points),
        tokens=tuple((round(100 * n / most, 2), n) for n in range(0, most + 1, token_step)),
        percents=tuple((down(n / 100) or 0.0, n) for n in range(low, high + 1, step)),
    )


def _scale(low: float, high: float, most: float = math.inf) -> tuple[int, int, int]:
    """Round ends around a span, and a round step that divides it into six parts or fewer.

    _scale(52.3, 68.1, most=100) == (50, 70, 5); a span of less than 4 is widened
    """
    if high - low < 4:
        low, high = max(0, low - 2), min(most, high + 2)
    sizes = (size * 10**power for power in range(9) for size in (1, 2, 5))
    step = next(size for size in sizes if (high - low) / size <= 6)
    return step * math.floor(low / step), int(min(most, step * math.ceil(high / step))), step


def _dodges(places: dict[str, float]) -> dict[str, int]:
    """Pixels by which points with nearly the same place are moved aside, symmetrically about it."""
    ordered = sorted(places, key=lambda name: places[name])
    groups = [ordered[:1]]
    for name, after in pairwise(ordered):
        if places[after] - places[name] < CLOSE:
            groups[-1].append(after)
        else:
            groups.append([after])
    dodges = {}
    for group in groups:
        members = [name for name in places if name in group]  # in the order of the arms
        for place, name in enumerate(members):
            dodges[name] = round(DODGE * (place - (len(members) - 1) / 2))
    return dodges


def _spread(heights: dict[str, float]) -> dict[str, float]:
    """Heights of labels, as near to their points as leaves a line's height between any two.

    _spread({"a": 100, "b": 104}) == {"a": 93.5, "b": 110.5}
    """
    ordered = sorted(heights, key=lambda name: heights[name])
    groups: list[tuple[float, list[str]]] = []  # the middle of labels that stand together, and these
    for name in ordered:
        middle, members = heights[name], [name]
        while groups and middle - groups[-1][0] < LINE * (len(members) + len(groups[-1][1])) / 2:
            _, before = groups.pop()
            members = before + members
            middle = sum(heights[member] for member in members) / len(members)
        groups.append((middle, members))
    spread = {}
    for middle, members in groups:
        half = LINE * (len(members) - 1) / 2
        middle = min(max(middle, TOP + half), BOTTOM - half)
        for place, name in enumerate(members):
            spread[name] = round(middle - half + LINE * place, 1)
    return spread
