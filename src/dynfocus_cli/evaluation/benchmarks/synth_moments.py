"""Generated clips with queries for what they show, and for what they never show."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dynfocus_cli.evaluation.generated_clips import clip_path, film
from dynfocus_cli.evaluation.item import Dataset, Item
from dynfocus_cli.evaluation.moment_benchmark import MomentBenchmark
from dynfocus_cli.synth.moments import ABSENT, ABSENT_SHARE, PRESENT, draw_searches

SEED = 30_000
"""Of the first set of clips; training has none of those that `dynfocus synth` writes for any seed."""
ROUNDS = 70
"""Sets of clips, each with queries of every other kind in turn. So each clip has few of them: more clips make
a narrower interval than more queries for the same ones."""
QUERIES = 9
"""Of a set."""


class SynthMoments(MomentBenchmark):
    name = "synth-moments"
    title = (
        f"Generated clips, made on the spot: {ROUNDS * QUERIES} queries for moments of "
        f"{len(PRESENT) + len(ABSENT)} kinds, 1 in {ABSENT_SHARE} for what is never shown"
    )
    makes_videos: ClassVar = True

    def read(self, data: Path, split: str) -> Dataset:
        items = [
            Item(
                id=f"{seed}-{sheet.clip}-{query.kind.replace(' ', '-')}",
                video=clip_path(data, seed, sheet.clip),
                question=query.text,
                answer=None,
                task=query.kind,
                spans_s=tuple(query.spans_s),
            )
            for seed in range(SEED, SEED + ROUNDS)
            for sheet in draw_searches(seed, QUERIES, kinds=_kinds(seed))
            for query in sheet.queries
        ]
        return Dataset(tuple(items), (), ())

    def prepare(self, item: Item) -> None:
        film(item.video)


def _kinds(seed: int) -> list[str]:
    """Every other kind of what is shown and of what never is; of the next seed, the others."""
    return [*list(PRESENT)[seed % 2 :: 2], *list(ABSENT)[seed % 2 :: 2]]
