"""Searches for moments of generated clips."""

from __future__ import annotations

from collections import Counter

import pytest

from dynfocus_cli.synth.moments import ABSENT, PRESENT, draw_searches, shared, stays_of, united
from dynfocus_cli.synth.questions import name
from dynfocus_cli.synth.world import DIGITS, SHORT, WIDE, Script, Thing, World

SECOND_PARTS = (0.0, 0.5)


def is_true(script: Script, text: str, time_s: float) -> bool:
    """Whether a caption is true of a clip at a moment, read off what is on stage there."""
    things = [seen.thing for seen in script.scene_at(time_s).at(time_s)]
    return all(any(_fits(part, thing) for thing in things) for part in text.split(" and "))


def _fits(words: str, thing: Thing) -> bool:
    article, _, rest = words.partition(" ")
    if article == "something":
        return thing.color == rest
    return rest in (name(thing), thing.shape)


@pytest.mark.parametrize("world", [SHORT, WIDE], ids=["short", "wide"])
def test_spans_are_what_is_on_stage(world: World) -> None:
    sheets = draw_searches(5, 120, world)
    for sheet in sheets:
        script = sheet.script
        for query in sheet.queries:
            for second in range(script.duration_s):
                for part in SECOND_PARTS:
                    told = any(start <= second + part < end for start, end in query.spans_s)
                    assert is_true(script, query.text, second + part) == told, (query, second)


def test_a_third_is_absent_and_each_kind_as_frequent_as_the_others() -> None:
    sheets = draw_searches(3, 90)
    queries = [query for sheet in sheets for query in sheet.queries]
    counts = Counter(query.kind for query in queries)
    assert {counts[kind] for kind in PRESENT} == {10}
    assert {counts[kind] for kind in ABSENT} == {5}
    assert all(bool(query.spans_s) == (query.kind in PRESENT) for query in queries)
    assert draw_searches(3, 90) == sheets
    assert all(len({query.text for query in sheet.queries}) == len(sheet.queries) for sheet in sheets)


def test_near_misses_share_what_they_say_with_the_clip() -> None:
    for sheet in draw_searches(4, 60, kinds=list(ABSENT)):
        stays = stays_of(sheet.script)
        colors, shapes = {thing.color for thing in stays}, {thing.shape for thing in stays}
        for query in sheet.queries:
            words = query.text.split()
            if query.kind == "other color":
                assert (words[1] in colors, words[2] in shapes) == (False, True)
            elif query.kind == "other shape":
                assert (words[1] in colors, words[2] in shapes) == (True, False)
            elif query.kind == "recombined":
                assert (words[1] in colors, words[2] in shapes) == (True, True)
            elif query.kind == "apart":
                assert {words[1], words[5]} <= colors
            elif query.kind == "no shape":
                assert words[1] not in shapes
                assert (words[0] == "the") == (words[1] in DIGITS)


def test_brief_events_last_a_second_or_two() -> None:
    sheets = draw_searches(6, 20, kinds=["brief"])
    lengths = {end - start for sheet in sheets for query in sheet.queries for start, end in query.spans_s}
    assert lengths == {1, 2}


def test_time_that_is_united_or_shared() -> None:
    assert united([(0, 4), (9, 12), (4, 6)]) == [(0, 6), (9, 12)]
    assert shared([(0, 5), (8, 9)], [(4, 8.5)]) == [(4, 5), (8, 8.5)]
    assert shared([(0, 5)], [(5, 6)]) == []
