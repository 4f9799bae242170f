"""Generated clips, which need no download: the simplest of the world that dynfocus-tiny was trained on, and
such as nobody trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by, with_answer
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.generated_clips import clip_path, film
from dynfocus_cli.evaluation.item import Dataset, Item, Prompt, Scored
from dynfocus_cli.synth.exam import draw_balanced
from dynfocus_cli.synth.questions import QUESTION_TYPES

SEED = 20_000
"""Of the first set of clips; training has none of those that `dynfocus synth` writes for any seed."""
ROUNDS = 20
"""Sets of clips with one question of each type: the first questions are balanced, however many are asked."""
QUESTIONS = ROUNDS * len(QUESTION_TYPES)
MOST_ON_A_CLIP = 5
"""Questions: more clips make a narrower interval than more questions about the same ones."""


class Synth(QuestionBenchmark):
    name = "synth"
    title = f"Generated clips, made on the spot: {QUESTIONS} open questions of {len(QUESTION_TYPES)} types"
    makes_videos: ClassVar = True

    def read(self, data: Path, split: str) -> Dataset:
        items = [
            Item(
                id=f"{seed}-{sheet.clip}-{question.type}",
                video=clip_path(data, seed, sheet.clip),
                question=question.question,
                answer=question.answer,
                task=question.type,
                official={"key_times_s": list(question.key_times_s)},
            )
            for seed in range(SEED, SEED + ROUNDS)
            for sheet in draw_balanced(seed, len(QUESTION_TYPES), most_on_a_clip=MOST_ON_A_CLIP)
            for question in sheet.questions
        ]
        return Dataset(tuple(items), (), ())

    def prepare(self, item: Item) -> None:
        film(item.video)

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        return Prompt(item.question)

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        """All of it: an answer is right where it is the generator's own, letter for letter."""
        return response or None

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        if not with_answer(scored):
            return {}
        return {"accuracy": accuracy(scored)} | accuracy_by(scored, lambda item: (item.task,))
