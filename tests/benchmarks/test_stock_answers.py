"""The exam of a small public model: its questions, what its ways may spend, and its figures."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from dynfocus_cli.options import SelectionOptions

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from stock_answers import BASE, NEEDS, TYPES, WAYS, sheets, summary


def test_each_type_is_asked_equally_often_and_has_a_need() -> None:
    asked = Counter(
        question.type for _, questions in sheets("short", 2 * len(TYPES)) for question in questions
    )
    assert asked == dict.fromkeys(TYPES, 2)
    assert set(TYPES) <= NEEDS.keys()


def test_ways_differ_in_what_is_selected() -> None:
    selections = [way.change(SelectionOptions()) for way in WAYS]
    assert len(set(selections)) == len(WAYS)
    assert WAYS[0].name == BASE


def row(way: str, clip: int, right: bool, kind: str = "color") -> dict:
    words = {"way": way, "clip": clip, "type": kind, "question": f"{clip} {kind}", "model": "a"}
    return {**words, "right": right, "tokens": 128, "prompt": 200, "key_frames": 8}


def test_differences_are_paired_and_intervals_are_over_clips() -> None:
    ours = [row("key, density", clip, right=clip != 3) for clip in range(4)]
    even = [row(BASE, clip, right=clip == 0) for clip in range(4)]
    figures = summary([*even, *ours], [BASE, "key, density"])
    assert figures[BASE]["right"]["all"][0] == 25.0
    assert figures["key, density"]["right"]["named moment"][0] == 75.0
    value, low, high = figures["key, density"]["minus even"]["all"]
    assert value == 50.0
    assert low < 50.0 < high
    assert figures["key, density"]["right"]["motion"] == [None, None, None]


def test_ways_without_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="2 questions"):
        summary(
            [row(BASE, 0, True), row("key, density", 0, True), row("key, density", 1, True)],
            [BASE, "key, density"],
        )
