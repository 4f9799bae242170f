"""Guesses that need no video."""

from __future__ import annotations

from collections import Counter

import pytest

from dynfocus_cli.synth.exam import draw_balanced, past_questions
from dynfocus_cli.synth.questions import Question
from guess import ENOUGH, Guesser

pytestmark = pytest.mark.slow


def test_guesses_take_the_most_particular_that_is_known() -> None:
    def asked(answer: str, time: str, shape: str) -> Question:
        return Question("color", "?", answer, (), (("time", time), ("shape", shape)))

    past = [asked("red", "00:01", "star")] * ENOUGH
    past += [asked("blue", "00:02", "star")] * (ENOUGH + 1)
    past += [asked("pink", "00:03", "moon")] * (4 * ENOUGH)
    guesser = Guesser(past)
    assert guesser.guess(asked("", "00:01", "star")) == "red"
    assert guesser.guess(asked("", "00:09", "star")) == "blue"
    assert guesser.guess(asked("", "00:01", "fish")) == "pink"
    assert guesser.guess(Question("what", "?", "", ())) == ""


def test_a_guess_may_repeat_the_question() -> None:
    def first(one: str, other: str, answer: str) -> Question:
        return Question("first", "?", answer, (), (("one", one), ("other", other)))

    guesser = Guesser([first("the a", "the b", "the a"), first("the c", "the d", "the c")])
    assert guesser.guess(first("the e", "the f", "the f")) == "the e"


def test_guessing_the_exam_is_better_than_one_answer_a_type_and_far_from_good() -> None:
    guesser = Guesser(past_questions(12, 400))
    questions = [q for sheet in draw_balanced(11, 600) for q in sheet.questions]
    right = Counter(q.type for q in questions if guesser.guess(q) == q.answer)
    assert 0.3 < right["first"] / 40 < 0.7
    assert 0.1 < right.total() / len(questions) < 0.4
