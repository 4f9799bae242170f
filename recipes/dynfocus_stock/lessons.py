"""Lessons of the language model: full, evenly spaced frames in the makers' prompt, and several questions.

Questions about the same frames share a row: each sees the frames and itself, and is counted on from the
frames, so that it reads what it would read alone.

    row        frames   question 1   question 2
    position   0 .. P   P+1 ..       P+1 ..
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from dynfocus_cli.models.families.smolvlm import PROMPT, SmolVLM
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.synth.questions import Observation, Question, ask, observe
from dynfocus_cli.training.answer_loss import IGNORED, teacher_forced
from dynfocus_stock.clips import FRAMES, FrameStore
from dynfocus_stock.config import FRAME_TOKENS

SIDE = round(FRAME_TOKENS**0.5)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in a row."""

    question: Question
    start: int
    """Its first token's place."""
    begin: int
    """Where its labels begin: the answer's."""
    end: int
    """And where they end."""
    decisive: tuple[bool, ...]
    """(T,): frames that decide it; none, where all of them do."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch of rows."""

    ids: Tensor
    """(B, S) int64."""
    labels: Tensor
    """(B, S): the id to predict at each place, or `IGNORED`."""
    positions: Tensor
    """(B, S)."""
    mask: Tensor
    """(B, 1, S, S) bool: what sees what."""
    features: Tensor
    """(B * T, N, D_v)."""
    seconds: Tensor
    """(B, T): of the frames."""
    asked: list[list[Asked]]
    """Of each row."""


def prefix_text(family: SmolVLM, seconds: Sequence[int], duration_s: int) -> str:
    """All of the prompt that stands before the question."""
    parts = tuple(
        Part(number, 1, (float(second),) * FRAME_TOKENS, second, (), (), is_run=False)
        for number, second in enumerate(seconds)
    )
    video = VideoTokens(parts, Grid(SIDE, SIDE), torch.empty(0), float(duration_s), len(parts))
    return PROMPT.partition("{text}")[0].replace(family.mark, family.video_text(video))


class LessonWriter:
    """Writes lessons from a store of clips."""

    def __init__(self, store: FrameStore, tokenizer: PreTrainedTokenizerFast, family: SmolVLM) -> None:
        self._store, self._tokenizer, self._family = store, tokenizer, family
        self._ids = lru_cache(20_000)(self._tokenized)

    def _tokenized(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def draw(
        self,
        rng: random.Random,
        rows: int,
        frames: int,
        questions: int,
        weights: dict[str, float],
        near: float,
    ) -> Lesson:
        """`rows` clips with `frames` frames each.

        Args:
            near: share of the rows whose questions are about any second of the clip; the others' are about
                the seconds that are shown.
        """
        drawn: list[tuple[int, list[int], list[int], int, list[Question]]] = []
        while len(drawn) < rows:
            clip = rng.randrange(self._store.done)
            places = self._places(rng, frames)
            every = self._store.seconds(clip)
            seconds = [every[place] for place in places]
            if len(set(seconds)) < len(seconds):
                continue
            script = self._store.script(clip)
            asked_s = range(seconds[0], seconds[-1] + 1) if rng.random() < near else seconds
            observed = observe(script, [float(second) for second in asked_s])
            asked = self._ask(observed, rng, questions, weights)
            if asked:
                drawn.append((clip, places, seconds, script.duration_s, asked))
        return self._collated(drawn)

    @staticmethod
    def _places(rng: random.Random, frames: int) -> list[int]:
        """Evenly spaced over the clip, or in two lessons of five over a part of it."""
        strides = [stride for stride in (1, 2, 4, 8, 16) if stride * frames <= FRAMES]
        stride = strides[-1] if rng.random() < 0.6 else rng.choice(strides)
        start = rng.randrange(FRAMES - stride * (frames - 1))
        return list(range(start, start + stride * frames, stride))[:frames]

    @staticmethod
    def _ask(
        observed: list[Observation], rng: random.Random, count: int, weights: dict[str, float]
    ) -> list[Question]:
        asked: dict[str, Question] = {}
        for kind in rng.choices(list(weights), list(weights.values()), k=2 * count):
            for question in ask(observed, rng, 1, [kind]):
                asked.setdefault(question.question, question)
            if len(asked) == count:
                break
        return list(asked.values())

    def _collated(self, drawn: list[tuple[int, list[int], list[int], int, list[Question]]]) -> Lesson:
        rows: list[tuple[list[int], list[int], list[int], list[int]]] = []
        questions: list[list[Asked]] = []
        for _, _, seconds, duration_s, asked in drawn:
            ids = list(self._tokenized(prefix_text(self._family, seconds, duration_s)))
            prefix = len(ids)
            labels, positions, owner = [IGNORED] * prefix, list(range(prefix)), [0] * prefix
            its_questions = []
            for number, question in enumerate(asked, start=1):
                prompt = [
                    *self._ids(question.question),
                    *self._ids(PROMPT.partition("{text}")[2]),
                ]
                answer = [*self._ids(f" {question.answer}"), self._tokenizer.eos_token_id]
                its_ids, its_labels = teacher_forced(prompt, answer)
                shown = tuple(second in question.key_times_s for second in seconds)
                begin, end = len(ids) + len(prompt) - 1, len(ids) + len(its_ids)
                its_questions.append(Asked(question, len(ids), begin, end, shown))
                ids += its_ids
                labels += its_labels
                positions += range(prefix, prefix + len(its_ids))
                owner += [number] * len(its_ids)
            rows.append((ids, labels, positions, owner))
            questions.append(its_questions)
        longest = -(-max(len(row[0]) for row in rows) // 16) * 16

        def padded(columns: Sequence[list[int]], filling: int) -> Tensor:
            return torch.tensor([[*column, *[filling] * (longest - len(column))] for column in columns])

        ids_of, labels_of, positions_of, owners = zip(*rows, strict=True)
        of = padded(owners, -1)  # (B, S)
        sees = (of.unsqueeze(1) == 0) | (of.unsqueeze(1) == of.unsqueeze(2))  # (B, S, S)
        sees &= torch.ones(longest, longest, dtype=torch.bool).tril()
        return Lesson(
            padded(ids_of, self._tokenizer.pad_token_id),
            padded(labels_of, IGNORED),
            padded(positions_of, 0),
            sees.unsqueeze(1),
            torch.cat([self._store.features(clip, places) for clip, places, *_ in drawn]),
            torch.tensor([seconds for _, _, seconds, *_ in drawn]),
            questions,
        )
