"""What tests of benchmarks do again and again: score responses, read problems."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.evaluation.benchmark import Benchmark, Protocol
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Scored


def scored(benchmark: Benchmark, item: Item, response: str, protocol: Protocol = "official") -> Scored:
    """One response as `eval score` scores it."""
    extracted = benchmark.extract(item, response, protocol)
    right = extracted is not None and benchmark.is_right(item, extracted)
    prediction = Prediction(item, "even", response, 320, 1.0)
    judged = benchmark.judged and not item.options
    return Scored(prediction, extracted, None if item.answer is None or judged else float(right))


def all_scored(
    benchmark: Benchmark, items: Sequence[Item], responses: Sequence[str], protocol: Protocol = "official"
) -> list[Scored]:
    return [scored(benchmark, item, one, protocol) for item, one in zip(items, responses, strict=True)]


def problems(dataset: Dataset) -> dict[str, str]:
    return {problem.id: problem.message for problem in dataset.problems}
