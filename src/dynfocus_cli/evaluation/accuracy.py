"""Accuracies in per cent, which most benchmarks' figures are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from dynfocus_cli.evaluation.item import Item, Scored


def with_answer(scored: Iterable[Scored]) -> list[Scored]:
    """Those whose answer is known."""
    return [one for one in scored if one.score is not None]


def with_extraction(scored: Iterable[Scored]) -> list[Scored]:
    """Those in whose response an answer was found."""
    return [one for one in scored if one.extracted is not None]


def accuracy(scored: Sequence[Scored]) -> float:
    """Right answers among all whose answer is known; 0 where there are none."""
    scores = [one.score for one in scored if one.score is not None]
    return 100 * sum(scores) / len(scores) if scores else 0.0


def accuracy_by(scored: Iterable[Scored], names: Callable[[Item], Iterable[str]]) -> dict[str, float]:
    """Name -> accuracy over the items that have it, by alphabet; an item may have several."""
    members = defaultdict[str, list[Scored]](list)
    for one in with_answer(scored):
        for name in names(one.prediction.item):
            members[name].append(one)
    return {name: accuracy(members[name]) for name in sorted(members)}
