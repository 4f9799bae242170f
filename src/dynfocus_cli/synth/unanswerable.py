"""Questions about a generated clip that it does not answer: absent things, wrong premises, nonsense.

The right answer to each is `CANNOT_TELL`. Whether a thing ever appears is no such question: absent is a no.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from dynfocus_cli.synth.questions import (
    NotOffered,
    Observation,
    Question,
    choice,
    name,
    timecode,
    times_of_things,
)
from dynfocus_cli.synth.wordings import TEMPLATES, Wordings
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Thing

CANNOT_TELL = "cannot tell"
UNANSWERABLE = "unanswerable"
"""The type of all these questions."""
WORDING = "wording"
"""Name of the field that says whose wordings a question takes."""
NONSENSE = (
    "hi",
    "What?",
    "the",
    "42",
    "?",
    "Describe the video.",
    "What is happening?",
    "Who is the president of France?",
    "Is there a dog?",
    "Why is the heart red?",
    "Tell me a joke.",
    "Summarize this clip in one sentence.",
    "How old is the person on the left?",
    "What does the sign say?",
    "video video video",
    "Translate this into German.",
    "Is the music loud?",
    "What's the weather like at 00:12?",
    "How much does it cost?",
    "Was ist zu sehen?",
)
"""Of no world at all; for exams."""
NONSENSE_SHARE, BEYOND_SHARE = 0.2, 0.15
"""Of all questions, and of those that name a moment: at one past the end of what was observed."""
FARTHEST_BEYOND_S = 120

Fields = dict[str, str]


def ask_unanswerable(
    observed: Sequence[Observation],
    rng: random.Random,
    count: int,
    wordings: Wordings = TEMPLATES,
    nonsense: Sequence[str] = NONSENSE,
    *,
    brief_events: bool = True,
) -> list[Question]:
    """Draws `count` questions whose answer is `CANNOT_TELL`; fewer where no more are found.

    Args:
        nonsense: sentences that no clip answers.
        brief_events: whether it can be told that there was none: moments are close together.
    """
    drawn: dict[str, Question] = {}
    kinds = [kind for kind in _DRAWS if brief_events or kind != "needle"]
    for _ in range(4 * count):
        if len(drawn) == count:
            break
        if nonsense and rng.random() < NONSENSE_SHARE:
            question = Question(UNANSWERABLE, rng.choice(nonsense), CANNOT_TELL, ())
        else:
            kind = rng.choice(kinds)
            try:
                fields = _DRAWS[kind](observed, rng)
            except NotOffered:
                continue
            text = rng.choice(wordings[kind]).format(**fields)
            question = Question(UNANSWERABLE, text, CANNOT_TELL, (), (*fields.items(), (WORDING, kind)))
        drawn.setdefault(question.question, question)
    return list(drawn.values())


def _moment(observed: Sequence[Observation], rng: random.Random) -> tuple[Observation | None, str]:
    """An observation with its time code, or None with one past the end."""
    if rng.random() < BEYOND_SHARE:
        return None, timecode(observed[-1].time_s + rng.randint(1, FARTHEST_BEYOND_S))
    seen = rng.choice(observed)
    return seen, timecode(seen.time_s)


def _absent(options: Sequence[str], here: set[str], elsewhere: Sequence[str], rng: random.Random) -> str:
    """One of the options that is not here, rather one that is seen elsewhere in the clip."""
    others = [option for option in elsewhere if option not in here]
    if others and rng.random() < 0.6:
        return rng.choice(others)
    return choice(rng, (option for option in options if option not in here))


def _color(observed: Sequence[Observation], rng: random.Random) -> Fields:
    seen, time = _moment(observed, rng)
    here = {s.thing.shape for s in seen.sightings} if seen else set()
    elsewhere = sorted({thing.shape for thing in times_of_things(observed)})
    return {"time": time, "shape": _absent(SHAPES, here, elsewhere, rng)}


def _shape(observed: Sequence[Observation], rng: random.Random) -> Fields:
    seen, time = _moment(observed, rng)
    here = {s.thing.color for s in seen.sightings} if seen else set()
    elsewhere = sorted({thing.color for thing in times_of_things(observed)})
    return {"time": time, "color": _absent(list(COLORS), here, elsewhere, rng)}


def _digit(observed: Sequence[Observation], rng: random.Random) -> Fields:
    if rng.random() < BEYOND_SHARE:
        return {"time": timecode(observed[-1].time_s + rng.randint(1, FARTHEST_BEYOND_S))}
    without = (o for o in observed if not any(s.thing.shape in DIGITS for s in o.sightings))
    return {"time": timecode(choice(rng, without).time_s)}


def _position(observed: Sequence[Observation], rng: random.Random) -> Fields:
    seen, time = _moment(observed, rng)
    here = {s.thing for s in seen.sightings} if seen else set()
    others = [thing for thing in times_of_things(observed) if thing not in here]
    if others and rng.random() < 0.6:
        return {"time": time, "thing": name(rng.choice(others))}
    return {"time": time, "thing": name(_stranger(observed, rng))}


def _beyond(observed: Sequence[Observation], rng: random.Random) -> Fields:
    return {"time": timecode(observed[-1].time_s + rng.randint(1, FARTHEST_BEYOND_S))}


def _unseen(observed: Sequence[Observation], rng: random.Random) -> Fields:
    return {"thing": name(_stranger(observed, rng))}


def _stranger(observed: Sequence[Observation], rng: random.Random) -> Thing:
    """A thing that is never seen, rather one whose colour and shape are, apart from each other."""
    times = times_of_things(observed)
    colors, shapes = sorted({t.color for t in times}), sorted({t.shape for t in times})
    absent = [Thing(c, s) for c in colors for s in shapes if Thing(c, s) not in times]
    if not absent or rng.random() < 0.4:
        absent = [Thing(c, s) for c in COLORS for s in SHAPES if Thing(c, s) not in times]
    return rng.choice(absent)


def _motion(observed: Sequence[Observation], rng: random.Random) -> Fields:
    """A thing that is never seen, or one that stands still."""
    still: dict[Thing, int] = {}
    moving: set[Thing] = set()
    for o in observed:
        for s in o.sightings:
            if s.actor.direction:
                moving.add(s.thing)
            else:
                still[s.thing] = still.get(s.thing, 0) + 1
    standing = [thing for thing, times in still.items() if times >= 3 and thing not in moving]
    if standing and rng.random() < 0.5:
        return {"thing": name(rng.choice(standing))}
    return _unseen(observed, rng)


def _first(observed: Sequence[Observation], rng: random.Random) -> Fields:
    one = _stranger(observed, rng)
    other = choice(rng, (thing for thing in (_stranger(observed, rng) for _ in range(4)) if thing != one))
    return {"one": name(one, "the"), "other": name(other, "the")}


def _before(observed: Sequence[Observation], rng: random.Random) -> Fields:
    """A thing that is never seen, or one of the first scene alone."""
    return _at_the_edge(observed, observed[0].scene, rng)


def _after(observed: Sequence[Observation], rng: random.Random) -> Fields:
    """A thing that is never seen, or one of the last scene alone."""
    return _at_the_edge(observed, observed[-1].scene, rng)


def _at_the_edge(observed: Sequence[Observation], scene: int, rng: random.Random) -> Fields:
    scenes: dict[Thing, set[int]] = {}
    needles = {s.thing for o in observed for s in o.sightings if s.actor.needle}
    for o in observed:
        for s in o.sightings:
            scenes.setdefault(s.thing, set()).add(o.scene)
    # Alone in its scene: beside another thing it might be said to come before or after that one.
    alone = [thing for thing, where in scenes.items() if where == {scene} and thing not in needles]
    if len(alone) == 1 and rng.random() < 0.5:
        return {"thing": name(alone[0])}
    return _unseen(observed, rng)


def _needle(observed: Sequence[Observation], rng: random.Random) -> Fields:
    if any(s.actor.needle for o in observed for s in o.sightings):
        raise NotOffered
    return {}


def _turn(observed: Sequence[Observation], rng: random.Random) -> Fields:
    """A shape that is never seen, or one that always keeps its colour."""
    colors: dict[str, set[str]] = {}
    for thing in times_of_things(observed):
        colors.setdefault(thing.shape, set()).add(thing.color)
    constant = sorted(shape for shape, seen in colors.items() if len(seen) == 1)
    if constant and rng.random() < 0.5:
        return {"shape": rng.choice(constant)}
    return {"shape": choice(rng, (shape for shape in SHAPES if shape not in colors))}


_DRAWS: dict[str, Callable[[Sequence[Observation], random.Random], Fields]] = {
    "what": _beyond,
    "color": _color,
    "shape": _shape,
    "digit": _digit,
    "position": _position,
    "count": _beyond,
    "when": _unseen,
    "first": _first,
    "before": _before,
    "after": _after,
    "motion": _motion,
    "needle": _needle,
    "turn": _turn,
}
"""By the type whose wordings they take."""
