"""Questions about a generated clip, each with one exact answer.

Answers are read from *observations*: what is on stage at given moments. The questions on a whole clip observe
every second; training on shorter excerpts observes only the frames it shows, so that an answer is always
decided by the frames that the model sees.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dynfocus_cli.synth.wordings import TEMPLATES, Wordings
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Script, Sighting, Thing

Option = TypeVar("Option")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its one right answer, and where to look for it."""

    type: str
    question: str
    answer: str
    key_times_s: tuple[float, ...]
    """Observed moments that decide the answer; empty where all of them do."""
    fields: tuple[tuple[str, str], ...] = ()
    """Names and values of what its wording was filled with."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is on stage at one moment."""

    time_s: float
    scene: int
    sightings: tuple[Sighting, ...]


def observe(script: Script, times_s: Sequence[float]) -> list[Observation]:
    """What a viewer of the frames at `times_s` (seconds, ascending) sees."""
    scenes = [(time_s, script.scene_at(time_s)) for time_s in times_s]
    return [Observation(time_s, scene.index, scene.at(time_s)) for time_s, scene in scenes]


def ask(
    observed: Sequence[Observation],
    rng: random.Random,
    count: int,
    types: Sequence[str] | None = None,
    wordings: Wordings = TEMPLATES,
) -> list[Question]:
    """Draws `count` questions, their types in rotation; fewer where the clip does not offer so many.

    `wordings` has the templates to choose from, a type: `TRAINING` for a model that learns.
    """
    order = list(types or QUESTION_TYPES)
    rng.shuffle(order)
    asked: dict[tuple[str, str], Question] = {}
    for attempt in range(4 * count):
        if len(asked) == count:
            break
        kind = order[attempt % len(order)]
        try:
            fields, answer, key_times_s = QUESTION_TYPES[kind](observed, rng)
        except NotOffered:
            continue
        text = rng.choice(wordings[kind]).format(**fields)
        asked.setdefault((kind, text), Question(kind, text, answer, key_times_s, tuple(fields.items())))
    return list(asked.values())


def reword(question: Question, wordings: Wordings, rng: random.Random) -> Question:
    """The same question in other words."""
    kind = wording_of(question)
    if kind not in wordings:  # it is no sentence of the world
        return question
    text = rng.choice(wordings[kind]).format(**dict(question.fields))
    return dataclasses.replace(question, question=text)


def wording_of(question: Question) -> str:
    """The type whose wordings a question takes: its own, unless its clip does not answer it."""
    return dict(question.fields).get("wording", question.type)


def timecode(time_s: float) -> str:
    """`MM:SS` of the second that contains `time_s`."""
    return f"{int(time_s) // 60:02d}:{int(time_s) % 60:02d}"


def name(thing: Thing, article: str | None = None) -> str:
    """`red circle`, or `a red circle`, `an orange star`, `the red circle`."""
    words = f"{thing.color} {thing.shape}"
    if article == "a":
        article = "an" if thing.color[0] in "aeiou" else "a"
    return f"{article} {words}" if article else words


class NotOffered(Exception):
    """What was observed does not offer a question of the type."""


def choice(rng: random.Random, options: Iterable[Option]) -> Option:
    """One of the options. Raises NotOffered where there are none."""
    some = list(options)
    if not some:
        raise NotOffered
    return rng.choice(some)


Drawn = tuple[dict[str, str], str, tuple[float, ...]]
"""Fields of the wording, answer, and the moments that decide it."""
Draw = Callable[[Sequence[Observation], random.Random], Drawn]
"""Draws a question of one type. Raises NotOffered."""


def _what(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = choice(rng, (o for o in observed if len(o.sightings) == 1))
    return {"time": timecode(seen.time_s)}, name(seen.sightings[0].thing, "a"), (seen.time_s,)


def _color(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    thing = choice(rng, _unique(seen, lambda thing: thing.shape)).thing
    return {"time": timecode(seen.time_s), "shape": thing.shape}, thing.color, (seen.time_s,)


def _shape(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    thing = choice(rng, _unique(seen, lambda thing: thing.color)).thing
    return {"time": timecode(seen.time_s), "color": thing.color}, thing.shape, (seen.time_s,)


def _digit(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    digits = [(o, [s.thing for s in o.sightings if s.thing.shape in DIGITS]) for o in observed]
    seen, (thing,) = choice(rng, (pair for pair in digits if len(pair[1]) == 1))
    return {"time": timecode(seen.time_s)}, thing.shape, (seen.time_s,)


def _position(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    unique = _unique(seen, lambda thing: thing)
    thing, position = choice(rng, ((s.thing, s.position) for s in unique if s.position is not None))
    return {"time": timecode(seen.time_s), "thing": name(thing)}, position, (seen.time_s,)


def _appear(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    times = times_of_things(observed)
    if not times:
        raise NotOffered
    if rng.random() < 0.5:
        thing = rng.choice(list(times))
        return {"a_thing": name(thing, "a")}, "yes", tuple(times[thing])
    # A hard no: a colour and a shape that both occur, but never together.
    colors, shapes = sorted({t.color for t in times}), sorted({t.shape for t in times})
    absent = [Thing(c, s) for c in colors for s in shapes if Thing(c, s) not in times]
    if not absent or rng.random() < 0.4:
        absent = [Thing(c, s) for c in COLORS for s in SHAPES if Thing(c, s) not in times]
    return {"a_thing": name(rng.choice(absent), "a")}, "no", ()


def _when(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    times = times_of_things(observed)
    late = [thing for thing in times if times[thing][0] > observed[0].time_s]
    if not late or (len(late) < len(times) and rng.random() < 0.1):
        late = list(times)
    thing = choice(rng, late)
    return {"thing": name(thing)}, timecode(times[thing][0]), (times[thing][0],)


def _count(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    number = rng.choice(sorted({len(o.sightings) for o in observed}))
    seen = rng.choice([o for o in observed if len(o.sightings) == number])
    return {"time": timecode(seen.time_s)}, str(number), (seen.time_s,)


def _first(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    times = times_of_things(observed)
    if len(times) < 2:
        raise NotOffered
    one, other = rng.sample(list(times), 2)
    if times[one][0] == times[other][0]:
        raise NotOffered
    earlier = min(one, other, key=lambda thing: times[thing][0])
    fields = {"one": name(one, "the"), "other": name(other, "the")}
    return fields, name(earlier, "the"), (times[one][0], times[other][0])


def _before(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    (earlier, early_s), (later, late_s) = _neighbours(observed, rng)
    return {"thing": name(later)}, name(earlier, "a"), (early_s, late_s)


def _after(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    (earlier, early_s), (later, late_s) = _neighbours(observed, rng)
    return {"thing": name(earlier)}, name(later, "a"), (early_s, late_s)


def _motion(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen_at: dict[tuple[Thing, str], list[float]] = {}
    still: set[Thing] = set()
    for o in observed:
        for s in o.sightings:
            if s.actor.direction:
                seen_at.setdefault((s.thing, s.actor.direction), []).append(o.time_s)
            else:
                still.add(s.thing)
    things = [thing for thing, _ in seen_at]
    thing, direction = choice(
        rng,
        (
            key
            for key, times in seen_at.items()
            if len(times) >= 2 and key[0] not in still and things.count(key[0]) == 1
        ),
    )
    return {"thing": name(thing)}, direction, tuple(seen_at[thing, direction])


def _scenes(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    firsts = {o.scene: o.time_s for o in reversed(observed)}
    return {}, str(len(firsts)), tuple(reversed(firsts.values()))


def _needle(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    flashes = {s.thing: o.time_s for o in observed for s in o.sightings if s.actor.needle}
    if len(flashes) != 1:
        raise NotOffered
    ((thing, time_s),) = flashes.items()
    return {}, name(thing, "a"), (time_s,)


def _turn(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    turned: dict[str, list[tuple[Thing, float]]] = {}
    for earlier, later in itertools.pairwise(observed):
        for s in later.sightings:
            before = {p.thing for p in earlier.sightings if p.actor is s.actor}
            if before and s.thing not in before:
                turned.setdefault(s.thing.shape, []).append((s.thing, later.time_s))
    thing, time_s = choice(rng, (turns[0] for turns in turned.values() if len(turns) == 1))
    return {"shape": thing.shape}, thing.color, (time_s,)


def _unique(seen: Observation, trait: Callable[[Thing], object]) -> list[Sighting]:
    traits = [trait(s.thing) for s in seen.sightings]
    return [s for s in seen.sightings if traits.count(trait(s.thing)) == 1]


def times_of_things(observed: Sequence[Observation]) -> dict[Thing, list[float]]:
    """When each thing is seen, seconds."""
    times: dict[Thing, list[float]] = {}
    for o in observed:
        for thing in sorted({s.thing for s in o.sightings}):
            times.setdefault(thing, []).append(o.time_s)
    return times


def _neighbours(
    observed: Sequence[Observation], rng: random.Random
) -> tuple[tuple[Thing, float], tuple[Thing, float]]:
    """Two things, each alone in its scene (needles aside) and in no other, whose scenes follow each other."""
    cast: dict[int, set[Thing]] = {}
    firsts: dict[int, float] = {}
    for o in observed:
        firsts.setdefault(o.scene, o.time_s)
        cast.setdefault(o.scene, set()).update(s.thing for s in o.sightings if not s.actor.needle)
    everywhere = [thing for things in cast.values() for thing in things]
    return choice(
        rng,
        (
            ((next(iter(cast[a])), firsts[a]), (next(iter(cast[b])), firsts[b]))
            for a, b in itertools.pairwise(sorted(cast))
            if len(cast[a]) == len(cast[b]) == 1 and all(everywhere.count(t) == 1 for t in cast[a] | cast[b])
        ),
    )


QUESTION_TYPES: dict[str, Draw] = {
    "what": _what,
    "color": _color,
    "shape": _shape,
    "digit": _digit,
    "position": _position,
    "appear": _appear,
    "when": _when,
    "count": _count,
    "first": _first,
    "before": _before,
    "after": _after,
    "motion": _motion,
    "scenes": _scenes,
    "needle": _needle,
    "turn": _turn,
}

MOMENT_TYPES = frozenset(("what", "color", "shape", "digit", "position", "count"))
"""Types whose questions name the moment that they are about."""
