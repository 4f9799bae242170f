"""Exams."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dynfocus_cli.synth.exam import draw_balanced, in_other_words, sheet_of
from dynfocus_cli.synth.questions import QUESTION_TYPES, ask, observe
from dynfocus_cli.synth.world import LONG, write_script
from dynfocus_cli.synth.write import clip_seed
from dynfocus_tiny.wordings import HELD_OUT

pytestmark = pytest.mark.slow


def test_a_sheet_is_what_synth_asks() -> None:
    script = write_script(clip_seed(11, 3))
    observed = observe(script, [float(second) for second in range(script.duration_s)])
    assert sheet_of(11, 3).questions == tuple(ask(observed, random.Random(script.seed), 12))
    assert sheet_of(11, 3).script == script


def test_a_balanced_exam_asks_every_type_equally_often() -> None:
    sheets = draw_balanced(11, 2107)
    counts = Counter(question.type for sheet in sheets for question in sheet.questions)
    assert counts.total() == 2107
    assert set(counts.values()) == {140, 141}
    assert list(counts) != []
    assert set(counts) == set(QUESTION_TYPES)
    assert len({sheet.clip for sheet in sheets}) == len(sheets)
    for sheet in sheets:
        assert sheet.script == write_script(clip_seed(11, sheet.clip))
        assert len({question.type for question in sheet.questions}) == len(sheet.questions) > 0
    assert draw_balanced(11, 2107) == sheets


def test_balanced_answers_are_what_was_seen_at_the_time() -> None:
    for sheet in draw_balanced(3, 60):
        for question in sheet.questions:
            if question.type == "count":
                (second,) = question.key_times_s
                assert question.answer == str(len(sheet.script.scene_at(second).at(second)))


def test_other_words_leave_the_exam_alone() -> None:
    sheet = sheet_of(11, 0)
    other = in_other_words(sheet, HELD_OUT)
    assert in_other_words(sheet, HELD_OUT) == other
    assert [(q.type, q.answer, q.fields) for q in other.questions] == [
        (q.type, q.answer, q.fields) for q in sheet.questions
    ]
    assert all(a.question != b.question for a, b in zip(sheet.questions, other.questions, strict=True))


def test_a_long_exam() -> None:
    sheets = draw_balanced(1, 150, LONG)
    assert min(sheet.script.duration_s for sheet in sheets) >= 128
    counts = Counter(question.type for sheet in sheets for question in sheet.questions)
    assert set(counts.values()) == {10}
    assert len(sheets) < 40, "clips offer what is rare in short ones"
