"""Questions about a generated clip, each with one exact answer.

Answers are read from *observations*: what is on stage at given moments. The questions on a whole clip observe
every second; training on shorter excerpts observes only the frames it shows, so that an answer is always
decided by the frames that the model sees.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynfocus_cli.synth.wordings import TEMPLATES, Wordings
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Script, Sighting, Thing


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
    observed = []
    for time_s in times_s:
        scene = script.scene_at(time_s)
        observed.append(Observation(time_s, scene.index, scene.at(time_s)))
    return observed


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
    wanted = list(types or QUESTION_TYPES)
    rng.shuffle(wanted)
    asked: dict[tuple[str, str], Question] = {}
    for attempt in range(4 * count):
        if len(asked) == count:
            break
        kind = wanted[attempt % len(wanted)]
        drawn = QUESTION_TYPES[kind](observed, rng)
        if drawn is None:
            continue
        fields, answer, key_times_s = drawn
        text = rng.choice(wordings[kind]).format(**fields)
        asked.setdefault((kind, text), Question(kind, text, answer, key_times_s, tuple(fields.items())))
    return list(asked.values())


def reword(question: Question, wordings: Wordings, rng: random.Random) -> Question:
    """The same question in other words."""
    text = rng.choice(wordings[question.type]).format(**dict(question.fields))
    return dataclasses.replace(question, question=text)


def about(question: Question) -> Callable[[Thing], bool]:
    """Which things a question is about: those that it names or describes; any, where it names none."""
    fields = dict(question.fields)
    named = {fields[key].removeprefix("the ") for key in ("thing", "one", "other") if key in fields}
    if "a_thing" in fields:
        named.add(fields["a_thing"].partition(" ")[2])
    if question.type == "digit":
        return lambda thing: thing.shape in DIGITS
    return lambda thing: (
        (not named or name(thing) in named)
        and thing.shape == fields.get("shape", thing.shape)
        and thing.color == fields.get("color", thing.color)
    )


def timecode(time_s: float) -> str:
    """`MM:SS` of the second that contains `time_s`."""
    return f"{int(time_s) // 60:02d}:{int(time_s) % 60:02d}"


def name(thing: Thing, article: str | None = None) -> str:
    """`red circle`, or `a red circle`, `an orange star`, `the red circle`."""
    words = f"{thing.color} {thing.shape}"
    if article == "a":
        article = "an" if thing.color[0] in "aeiou" else "a"
    return f"{article} {words}" if article else words


Drawn = tuple[dict[str, str], str, tuple[float, ...]] | None


def _what(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    alone = [o for o in observed if len(o.sightings) == 1]
    if not alone:
        return None
    seen = rng.choice(alone)
    return {"time": timecode(seen.time_s)}, name(seen.sightings[0].thing, "a"), (seen.time_s,)


def _color(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    unique = _unique(seen, lambda thing: thing.shape)
    if not unique:
        return None
    thing = rng.choice(unique).thing
    return {"time": timecode(seen.time_s), "shape": thing.shape}, thing.color, (seen.time_s,)


def _shape(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    unique = _unique(seen, lambda thing: thing.color)
    if not unique:
        return None
    thing = rng.choice(unique).thing
    return {"time": timecode(seen.time_s), "color": thing.color}, thing.shape, (seen.time_s,)


def _digit(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    shown = [
        (o, digits[0])
        for o in observed
        if len(digits := [s.thing for s in o.sightings if s.thing.shape in DIGITS]) == 1
    ]
    if not shown:
        return None
    seen, thing = rng.choice(shown)
    return {"time": timecode(seen.time_s)}, thing.shape, (seen.time_s,)


def _position(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    seen = rng.choice(observed)
    unique = [s for s in _unique(seen, lambda thing: thing) if s.position is not None]
    if not unique:
        return None
    sighting = rng.choice(unique)
    assert sighting.position is not None
    return (
        {"time": timecode(seen.time_s), "thing": name(sighting.thing)},
        sighting.position,
        (seen.time_s,),
    )


def _appear(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    times = _times_of_things(observed)
    if not times:
        return None
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
    times = _times_of_things(observed)
    late = [thing for thing in times if times[thing][0] > observed[0].time_s]
    if not late or (len(late) < len(times) and rng.random() < 0.1):
        late = list(times)
    if not late:
        return None
    thing = rng.choice(late)
    return {"thing": name(thing)}, timecode(times[thing][0]), (times[thing][0],)


def _count(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    counts = sorted({len(o.sightings) for o in observed})
    number = rng.choice(counts)
    seen = rng.choice([o for o in observed if len(o.sightings) == number])
    return {"time": timecode(seen.time_s)}, str(number), (seen.time_s,)


def _first(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    times = _times_of_things(observed)
    if len(times) < 2:
        return None
    one, other = rng.sample(list(times), 2)
    if times[one][0] == times[other][0]:
        return None
    earlier = min(one, other, key=lambda thing: times[thing][0])
    fields = {"one": name(one, "the"), "other": name(other, "the")}
    return fields, name(earlier, "the"), (times[one][0], times[other][0])


def _before(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    pair = _neighbours(observed, rng)
    if pair is None:
        return None
    (earlier, early_s), (later, late_s) = pair
    return {"thing": name(later)}, name(earlier, "a"), (early_s, late_s)


def _after(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    pair = _neighbours(observed, rng)
    if pair is None:
        return None
    (earlier, early_s), (later, late_s) = pair
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
    moving = [
        key
        for key, times in seen_at.items()
        if len(times) >= 2 and key[0] not in still and things.count(key[0]) == 1
    ]
    if not moving:
        return None
    thing, direction = rng.choice(moving)
    return {"thing": name(thing)}, direction, tuple(seen_at[thing, direction])


def _scenes(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    firsts: dict[int, float] = {}
    for o in observed:
        firsts.setdefault(o.scene, o.time_s)
    return {}, str(len(firsts)), tuple(firsts.values())


def _needle(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    flashes = {s.thing: o.time_s for o in observed for s in o.sightings if s.actor.needle}
    if len(flashes) != 1:
        return None
    ((thing, time_s),) = flashes.items()
    return {}, name(thing, "a"), (time_s,)


def _turn(observed: Sequence[Observation], rng: random.Random) -> Drawn:
    turned: dict[str, list[tuple[Thing, float]]] = {}
    for earlier, later in itertools.pairwise(observed):
        for s in later.sightings:
            before = {p.thing for p in earlier.sightings if p.actor is s.actor}
            if before and s.thing not in before:
                turned.setdefault(s.thing.shape, []).append((s.thing, later.time_s))
    once = {shape: found[0] for shape, found in turned.items() if len(found) == 1}
    if not once:
        return None
    shape = rng.choice(list(once))
    thing, time_s = once[shape]
    return {"shape": shape}, thing.color, (time_s,)


def _unique(seen: Observation, trait: Callable[[Thing], object]) -> list[Sighting]:
    traits = [trait(s.thing) for s in seen.sightings]
    return [s for s in seen.sightings if traits.count(trait(s.thing)) == 1]


def _times_of_things(observed: Sequence[Observation]) -> dict[Thing, list[float]]:
    times: dict[Thing, list[float]] = {}
    for o in observed:
        for thing in sorted({s.thing for s in o.sightings}):
            times.setdefault(thing, []).append(o.time_s)
    return times


def _neighbours(
    observed: Sequence[Observation], rng: random.Random
) -> tuple[tuple[Thing, float], tuple[Thing, float]] | None:
    """Two things, each alone in its scene (needles aside) and in no other, whose scenes follow each other."""
    cast: dict[int, set[Thing]] = {}
    firsts: dict[int, float] = {}
    for o in observed:
        firsts.setdefault(o.scene, o.time_s)
        cast.setdefault(o.scene, set()).update(s.thing for s in o.sightings if not s.actor.needle)
    order = sorted(cast)
    everywhere = [thing for things in cast.values() for thing in things]
    pairs = [
        ((next(iter(cast[a])), firsts[a]), (next(iter(cast[b])), firsts[b]))
        for a, b in itertools.pairwise(order)
        if len(cast[a]) == len(cast[b]) == 1 and all(everywhere.count(t) == 1 for t in cast[a] | cast[b])
    ]
    return rng.choice(pairs) if pairs else None


QUESTION_TYPES: dict[str, Callable[[Sequence[Observation], random.Random], Drawn]] = {
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
