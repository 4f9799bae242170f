"""What can be answered without the video: a baseline that reads nothing but the question."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from dynfocus_cli.synth.questions import Question

ENOUGH = 8
"""Seen less often than this, a question says less of its answer than its type does."""


class Guesser:
    """Answers as most questions of the kind were answered on other clips.

    It knows what the question says, in any words: it takes the most particular of "the same question",
    "the same question at another time" and "a question of this type" that was seen often enough. An answer
    that repeats a part of the question counts as that part: of two things to choose from, the first named.
    """

    def __init__(self, past: Iterable[Question]) -> None:
        self._seen: dict[tuple, Counter[str]] = defaultdict(Counter)
        for question in past:
            for level in self._levels(question):
                self._seen[level][self._as_pattern(question)] += 1

    def guess(self, question: Question) -> str:
        """The likeliest answer; empty where the type was never seen."""
        fields = dict(question.fields)
        *particular, general = self._levels(question)
        for level in particular:
            if self._seen[level].total() >= ENOUGH:
                return _likeliest(self._seen[level]).format(**fields)
        return _likeliest(self._seen[general]).format(**fields)

    @staticmethod
    def _levels(question: Question) -> list[tuple]:
        timeless = tuple(field for field in question.fields if field[0] != "time")
        return [(question.type, question.fields), (question.type, timeless, "any time"), (question.type,)]

    @staticmethod
    def _as_pattern(question: Question) -> str:
        for name, value in question.fields:
            if value == question.answer:
                return f"{{{name}}}"
        return question.answer


def _likeliest(answers: Counter[str]) -> str:
    # Ties go to the first in the alphabet: two runs guess alike.
    return min(answers, key=lambda answer: (-answers[answer], answer), default="")
