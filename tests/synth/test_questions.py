"""Answers, derived again from the script by a slow oracle that knows nothing of observations."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter

import pytest

from dynfocus_cli.synth.questions import QUESTION_TYPES, Question, ask, observe, reword
from dynfocus_cli.synth.world import COLORS, Script, write_script
from dynfocus_tiny.wordings import HELD_OUT, TRAINING

SEEDS = range(120)
Thing = tuple[str, str]
GRID = [
    ["top left", "top", "top right"],
    ["left", "center", "right"],
    ["bottom left", "bottom", "bottom right"],
]


def questions_of(script: Script, seed: int, count: int = 20) -> list[Question]:
    observed = observe(script, [float(second) for second in range(script.duration_s)])
    return ask(observed, random.Random(seed), count)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Script, Question]]:
    scripts = [write_script(seed) for seed in SEEDS]
    return [(script, question) for script in scripts for question in questions_of(script, script.seed)]


# The oracle. A thing is (colour, shape); a second is on screen from its beginning.


def color_at(actor, second: int) -> str:
    return actor.turns[1] if actor.turns and second >= actor.turns[0] else actor.thing.color


def on_stage(script: Script, second: int) -> list[tuple[Thing, object]]:
    return [
        ((color_at(actor, second), actor.thing.shape), actor)
        for scene in script.scenes
        for actor in scene.actors
        if scene.start_s <= second < scene.end_s and actor.start_s <= second < actor.end_s
    ]


def seconds_of(script: Script, thing: Thing) -> list[int]:
    return [s for s in range(script.duration_s) if thing in [t for t, _ in on_stage(script, s)]]


def clock(second: int) -> str:
    return f"{second // 60:02d}:{second % 60:02d}"


def parsed(text: str) -> Thing:
    """`the red star`, `an orange 5` -> (color, shape)."""
    color, shape = text.split()[-2:]
    assert color in COLORS
    return color, shape


def with_article(thing: Thing) -> str:
    return f"{'an' if thing[0] == 'orange' else 'a'} {thing[0]} {thing[1]}"


def only(found: list) -> object:
    assert len(found) == 1, found
    return found[0]


def scene_cast(scene) -> set[Thing]:
    return {
        (color_at(actor, second), actor.thing.shape)
        for actor in scene.actors
        if not actor.needle
        for second in range(actor.start_s, actor.end_s)
    }


def neighbour(script: Script, thing: Thing, step: int) -> Thing:
    casts = [scene_cast(scene) for scene in script.scenes]
    place = only([place for place, cast in enumerate(casts) if thing in cast])
    assert casts[place] == {thing}
    assert place + step >= 0
    return only(list(casts[place + step]))


def position(actor, second: int) -> str:
    row, column = actor.row, actor.column
    share = (second - actor.start_s) / (actor.end_s - actor.start_s)
    row += {"down": 2 * share, "up": -2 * share}.get(actor.direction, 0)
    column += {"right": 2 * share, "left": -2 * share}.get(actor.direction, 0)
    return GRID[round(row)][round(column)]


def derive(script: Script, kind: str, fields: dict[str, str]) -> str:
    """The one right answer to a question of `kind`."""
    if "time" in fields:
        minutes, seconds = fields["time"].split(":")
        second = 60 * int(minutes) + int(seconds)
        stage = on_stage(script, second)
        things = [thing for thing, _ in stage]
    match kind:
        case "what":
            return with_article(only(things))
        case "color":
            return only([color for color, shape in things if shape == fields["shape"]])
        case "shape":
            return only([shape for color, shape in things if color == fields["color"]])
        case "digit":
            return only([shape for _, shape in things if shape.isdigit()])
        case "count":
            return str(len(things))
        case "position":
            return position(
                only([actor for thing, actor in stage if thing == parsed(fields["thing"])]), second
            )
        case "appear":
            return "yes" if seconds_of(script, parsed(fields["a_thing"])) else "no"
        case "when":
            return clock(seconds_of(script, parsed(fields["thing"]))[0])
        case "first":
            firsts = {seconds_of(script, parsed(fields[name]))[0]: fields[name] for name in ("one", "other")}
            assert len(firsts) == 2
            return firsts[min(firsts)]
        case "before":
            return with_article(neighbour(script, parsed(fields["thing"]), -1))
        case "after":
            return with_article(neighbour(script, parsed(fields["thing"]), +1))
        case "scenes":
            return str(len(script.scenes))
        case "needle":
            brief = [a for scene in script.scenes for a in scene.actors if a.end_s - a.start_s <= 2]
            return with_article((only(brief).thing.color, only(brief).thing.shape))
        case "motion":
            ways = {
                actor.direction
                for s in range(script.duration_s)
                for thing, actor in on_stage(script, s)
                if thing == parsed(fields["thing"])
            }
            return only(list(ways))
        case "turn":
            turning = [
                actor
                for scene in script.scenes
                for actor in scene.actors
                if actor.turns and actor.thing.shape == fields["shape"]
            ]
            return only(turning).turns[1]
    raise AssertionError(kind)


VALUES = {
    "time": r"\d\d:\d\d",
    "color": r"\w+",
    "shape": r"\w+",
    "thing": r"\w+ \w+",
    **{name: r"\w+ \w+ \w+" for name in ("a_thing", "one", "other")},
}


def fields_of(question: Question) -> dict[str, str]:
    """What the question's template was filled with."""
    for template in (*TRAINING[question.type], *HELD_OUT.get(question.type, ())):
        pattern = re.sub(
            r"\\\{(\w+)\\\}", lambda field: f"(?P<{field[1]}>{VALUES[field[1]]})", re.escape(template)
        )
        if match := re.fullmatch(pattern, question.question):
            return match.groupdict()
    raise AssertionError(f"{question.question!r} follows no template")


@pytest.mark.parametrize("kind", QUESTION_TYPES)
def test_answers_are_the_oracles(drawn, kind: str) -> None:
    asked = [(script, question) for script, question in drawn if question.type == kind]
    assert len(asked) >= 20, "every type is asked"
    for script, question in asked:
        assert question.answer == derive(script, kind, fields_of(question)), (script.seed, question)


@pytest.mark.parametrize("kind", QUESTION_TYPES)
def test_wording_varies_and_so_do_answers(drawn, kind: str) -> None:
    assert len(TRAINING[kind]) >= 10
    assert len({q.question for _, q in drawn if q.type == kind}) >= 3
    answers = Counter(q.answer for _, q in drawn if q.type == kind)
    assert answers.most_common(1)[0][1] <= 0.7 * answers.total(), "a constant answer must not do well"


def test_key_times_decide(drawn) -> None:
    for script, question in drawn:
        assert all(second in range(script.duration_s) for second in question.key_times_s)
        fields = fields_of(question)
        if "time" in fields:
            assert [clock(int(second)) for second in question.key_times_s] == [fields["time"]]
        elif question.type == "when":
            assert [clock(int(second)) for second in question.key_times_s] == [question.answer]
        elif question.type == "needle":
            needle = parsed(question.answer)
            assert set(question.key_times_s) <= set(seconds_of(script, needle))
        elif question.type == "appear" and question.answer == "yes":
            assert list(question.key_times_s) == seconds_of(script, parsed(fields["a_thing"]))


def test_a_seed_is_its_questions(drawn) -> None:
    for seed in (0, 1, 2):
        script = write_script(seed)
        again = questions_of(write_script(seed), seed)
        assert again == [question for owner, question in drawn if owner == script]
        assert len({(question.type, question.question) for question in again}) == len(again)


def test_the_committed_exams_questions_stay(drawn) -> None:
    told = [(q.type, q.question, q.answer, q.key_times_s) for _, q in drawn]
    assert (
        hashlib.sha256(repr(told).encode()).hexdigest()
        == "53afbac319b0dc07c61f20bfc6ffb7d3377883a1a2d93b58803898227c022ca0"
    )


@pytest.mark.parametrize("wordings", [TRAINING, HELD_OUT], ids=["training", "held-out"])
def test_other_words_ask_the_same(drawn, wordings) -> None:
    rng = random.Random(0)
    for _, question in drawn:
        reworded = reword(question, wordings, rng)
        assert fields_of(reworded) == fields_of(question) == dict(question.fields)
        assert (reworded.type, reworded.answer) == (question.type, question.answer)
        assert reworded.question in [w.format(**dict(question.fields)) for w in wordings[question.type]]


def test_the_words_to_draw_from_can_be_chosen() -> None:
    observed = observe(write_script(3), [float(second) for second in range(16)])
    asked = ask(observed, random.Random(0), 12, wordings=HELD_OUT)
    assert asked
    assert all(q.question in [w.format(**dict(q.fields)) for w in HELD_OUT[q.type]] for q in asked)


def test_types_can_be_chosen() -> None:
    observed = observe(write_script(3), [float(second) for second in range(16)])
    asked = ask(observed, random.Random(0), 4, ["count"])
    assert {question.type for question in asked} == {"count"}
