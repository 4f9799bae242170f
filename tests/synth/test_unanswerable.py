"""Questions that a clip does not answer."""

from __future__ import annotations

import random

import pytest

from dynfocus_cli.synth.questions import Observation, Question, observe, reword
from dynfocus_cli.synth.unanswerable import (
    CANNOT_TELL,
    NONSENSE,
    UNANSWERABLE,
    WORDING,
    ask_unanswerable,
)
from dynfocus_cli.synth.world import WIDE, Script, write_script
from dynfocus_tiny.wordings import HELD_OUT


def watched(script: Script) -> list[Observation]:
    return observe(script, range(script.duration_s))


def drawn() -> list[tuple[list[Observation], Question]]:
    pairs = []
    for seed in range(150):
        observed = watched(write_script(seed, world=WIDE))
        pairs += [(observed, asked) for asked in ask_unanswerable(observed, random.Random(seed), 12)]
    return pairs


DRAWN = drawn()


def kind_of(question: Question) -> str | None:
    return dict(question.fields).get(WORDING)


def test_all_have_the_one_answer_and_a_seed_is_its_questions() -> None:
    assert drawn() == DRAWN
    assert {(asked.type, asked.answer) for _, asked in DRAWN} == {(UNANSWERABLE, CANNOT_TELL)}
    share = sum(asked.question in NONSENSE for _, asked in DRAWN) / len(DRAWN)
    assert 0.1 < share < 0.3


@pytest.mark.parametrize("kind", ["color", "shape", "digit", "position"])
def test_what_is_asked_of_a_moment_is_not_there_then(kind: str) -> None:
    beyond = checked = 0
    for observed, asked in DRAWN:
        if kind_of(asked) != kind:
            continue
        fields = dict(asked.fields)
        minutes, seconds = fields["time"].split(":")
        moment = 60 * int(minutes) + int(seconds)
        if moment > observed[-1].time_s:
            beyond += 1
            continue
        checked += 1
        for seen in observed[moment].sightings:
            assert seen.thing.shape != fields.get("shape")
            assert seen.thing.color != fields.get("color")
            assert f"{seen.thing.color} {seen.thing.shape}" != fields.get("thing")
            assert kind != "digit" or not seen.thing.shape.isdigit()
    assert beyond > 3
    assert checked > 20


def test_things_asked_for_are_never_seen_or_do_not_do_that() -> None:
    premises = {"motion": 0, "before": 0, "after": 0, "turn": 0}
    for observed, asked in DRAWN:
        fields = dict(asked.fields)
        things = {f"{s.thing.color} {s.thing.shape}" for o in observed for s in o.sightings}
        kind = kind_of(asked)
        if kind == "when":
            assert fields["thing"] not in things
        elif kind == "first":
            assert not {fields["one"][4:], fields["other"][4:]} & things
        elif kind == "needle":
            assert not any(s.actor.needle for o in observed for s in o.sightings)
        elif kind == "turn" and any(thing.endswith(f" {fields['shape']}") for thing in things):
            premises["turn"] += 1
            assert sum(thing.endswith(f" {fields['shape']}") for thing in things) == 1
        elif kind in ("motion", "before", "after") and fields["thing"] in things:
            premises[kind] += 1
            sightings = [
                (o.scene, s)
                for o in observed
                for s in o.sightings
                if f"{s.thing.color} {s.thing.shape}" == fields["thing"]
            ]
            if kind == "motion":
                assert not any(s.actor.direction for _, s in sightings)
            else:
                edge = observed[0 if kind == "before" else -1].scene
                assert {scene for scene, _ in sightings} == {edge}
    assert min(premises.values()) > 5, premises


def test_they_can_be_put_in_other_words_and_nonsense_stays_as_it_is() -> None:
    for _, asked in DRAWN[:200]:
        other = reword(asked, HELD_OUT, random.Random(0))
        assert (other == asked) == (asked.question in NONSENSE)
        assert other.answer == CANNOT_TELL


def test_where_moments_are_far_apart_nobody_asks_for_brief_events() -> None:
    observed = watched(write_script(3))
    asked = ask_unanswerable(observed, random.Random(0), 60, nonsense=(), brief_events=False)
    assert asked
    assert "needle" not in {kind_of(question) for question in asked}
