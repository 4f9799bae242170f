"""Wordings: none means two things, and those held out have no word of their own."""

from __future__ import annotations

import random
import re
import string
from collections import Counter

import pytest

from dynfocus_cli.synth.questions import MOMENT_TYPES, QUESTION_TYPES, ask, observe
from dynfocus_cli.synth.wordings import TEMPLATES
from dynfocus_cli.synth.world import write_script
from dynfocus_cli.video import find_mentions
from dynfocus_tiny.wordings import HELD_OUT, MORE, TRAINING

FIELDS = {
    "what": "time",
    "color": "time shape",
    "shape": "time color",
    "digit": "time",
    "position": "time thing",
    "appear": "a_thing",
    "when": "thing",
    "count": "time",
    "first": "one other",
    "before": "thing",
    "after": "thing",
    "motion": "thing",
    "scenes": "",
    "needle": "",
    "turn": "shape",
}


def words(template: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", re.sub(r"\{\w+\}", "", template).lower()))


def test_every_type_has_many_and_some_are_held_out() -> None:
    assert set(TEMPLATES) == set(MORE) == set(TRAINING) == set(QUESTION_TYPES)
    assert set(HELD_OUT) == set(QUESTION_TYPES)
    for kind in QUESTION_TYPES:
        assert len(TRAINING[kind]) >= 13
        assert len(HELD_OUT[kind]) >= 4
        assert TRAINING[kind][: len(TEMPLATES[kind])] == TEMPLATES[kind]


def test_no_wording_stands_twice() -> None:
    def bare(template: str) -> str:
        return re.sub(r"\W+", " ", re.sub(r"\{\w+\}", "X", template).lower()).strip()

    everything = [bare(w) for table in (TRAINING, HELD_OUT) for wordings in table.values() for w in wordings]
    twice = [wording for wording, count in Counter(everything).items() if count > 1]
    assert twice == []


@pytest.mark.parametrize("table", [TRAINING, HELD_OUT], ids=["training", "held-out"])
def test_each_is_a_sentence_with_its_types_fields(table) -> None:
    for kind, wordings in table.items():
        for wording in wordings:
            assert {name for _, name, _, _ in string.Formatter().parse(wording) if name} == set(
                FIELDS[kind].split()
            )
            assert wording[0].isupper()
            assert wording[-1] in "?."


def test_held_out_wordings_are_made_of_trained_words() -> None:
    known = set().union(*(words(wording) for wordings in TRAINING.values() for wording in wordings))
    for wordings in HELD_OUT.values():
        for wording in wordings:
            assert words(wording) <= known, wording


@pytest.mark.parametrize("table", [TRAINING, HELD_OUT], ids=["training", "held-out"])
def test_ask_finds_the_moment_that_a_wording_names_and_no_other(table) -> None:
    script = write_script(2, duration_s=60, scenes=4)
    observed = observe(script, [float(second) for second in range(60)])
    for kind in table:
        for question in ask(observed, random.Random(1), 40, [kind], wordings=table):
            found = find_mentions(question.question, 60.0)
            expected = list(question.key_times_s) if kind in MOMENT_TYPES else []
            assert list(found.moments) == expected, question
            assert not found.spans, question
