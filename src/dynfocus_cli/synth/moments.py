"""Searches of generated clips for moments: captions, and the spans of time in which they are true.

A third of the captions are of what a clip never shows, most of them nearly: in another colour, of another
shape, or of two things that are there at different times.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dynfocus_cli.synth.questions import NotOffered, choice, name
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, SHORT, Script, Thing, World, write_script
from dynfocus_cli.synth.write import clip_seed
from dynfocus_cli.types import Span

SHOWN_THROUGHOUT = 0.9
"""Share of a clip from which a caption is true so long that there is nothing to find."""
ABSENT_SHARE = 3
"""One query in so many is of what is not there."""


@dataclass(frozen=True, slots=True)
class MomentQuery:
    """A caption to look for in one clip."""

    kind: str
    """One of `PRESENT` or `ABSENT`."""
    text: str
    spans_s: tuple[Span, ...]
    """All stretches in which it is true, in time order and apart, seconds; empty where there are none."""


@dataclass(frozen=True, slots=True)
class MomentSheet:
    """What is looked for in one clip."""

    clip: int
    """Its number in the set, as `dynfocus synth` counts."""
    script: Script
    queries: tuple[MomentQuery, ...]


Stays = dict[Thing, list[Span]]
"""When each thing of a clip is on stage, in time order and apart, seconds."""


def stays_of(script: Script) -> Stays:
    """When each thing is on stage; a thing that changes its colour is another one from then on."""
    stays: dict[Thing, list[Span]] = {}
    for actor in itertools.chain.from_iterable(scene.actors for scene in script.scenes):
        turn_s, color = actor.turns or (actor.end_s, actor.thing.color)
        stays.setdefault(actor.thing, []).append((actor.start_s, turn_s))
        if turn_s < actor.end_s:
            stays.setdefault(Thing(color, actor.thing.shape), []).append((turn_s, actor.end_s))
    return {thing: united(stays[thing]) for thing in sorted(stays)}


def united(spans_s: Sequence[Span]) -> list[Span]:
    """The same time in spans that are apart, in order.

    (0, 4), (9, 12), (4, 6) -> (0, 6), (9, 12)
    """
    together: list[Span] = []
    for start_s, end_s in sorted(spans_s):
        if together and start_s <= together[-1][1]:
            together[-1] = together[-1][0], max(end_s, together[-1][1])
        else:
            together.append((start_s, end_s))
    return together


def shared(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """The time that is in both."""
    overlaps = (
        (max(a_start, b_start), min(a_end, b_end))
        for (a_start, a_end), (b_start, b_end) in itertools.product(one, other)
    )
    return united([(start_s, end_s) for start_s, end_s in overlaps if start_s < end_s])


def draw_searches(
    seed: int, queries: int, world: World = SHORT, kinds: Sequence[str] | None = None
) -> list[MomentSheet]:
    """An exam of so many queries, a third of them of absent things, each kind of a half equally often.

    Clips are taken in their order; on each one every kind is asked once at most, and a clip on which nothing
    is left to ask is left out.

    Args:
        kinds: None takes all of them.
    """
    wanted = list(kinds or (*PRESENT, *ABSENT))
    absent = [kind for kind in wanted if kind in ABSENT]
    present = [kind for kind in wanted if kind in PRESENT]
    absent_queries = queries // ABSENT_SHARE if present and absent else queries if absent else 0
    missing = _shared_out(queries - absent_queries, present) | _shared_out(absent_queries, absent)
    sheets: list[MomentSheet] = []
    clip = 0
    while any(missing.values()):
        script = write_script(clip_seed(seed, clip), world=world)
        drawn = list(_drawn(script, [kind for kind in wanted if missing[kind]]))
        for query in drawn:
            missing[query.kind] -= 1
        if drawn:
            sheets.append(MomentSheet(clip, script, tuple(drawn)))
        clip += 1
    return sheets


def searches_of(script: Script) -> tuple[MomentQuery, ...]:
    """A query of each kind that the clip offers."""
    return tuple(_drawn(script, [*PRESENT, *ABSENT]))


def _shared_out(queries: int, kinds: Sequence[str]) -> dict[str, int]:
    return {kind: queries // len(kinds) + (n < queries % len(kinds)) for n, kind in enumerate(kinds)}


def _drawn(script: Script, kinds: Sequence[str]) -> Iterator[MomentQuery]:
    stays, texts = stays_of(script), set[str]()
    for kind in kinds:
        rng = random.Random(f"{script.seed} {kind}")
        draw = PRESENT.get(kind) or ABSENT[kind]
        for _ in range(8):
            try:
                text, spans_s = draw(script, stays, rng)
            except NotOffered:
                break
            shown_s = sum(end_s - start_s for start_s, end_s in spans_s)
            if shown_s < SHOWN_THROUGHOUT * script.duration_s and text not in texts:
                texts.add(text)
                yield MomentQuery(kind, text, tuple(spans_s))
                break


Drawn = tuple[str, list[Span]]
Draw = Callable[[Script, Stays, random.Random], Drawn]
"""Draws a caption with the spans in which it is true. Raises NotOffered where a clip has none."""


def _briefs(script: Script) -> set[Thing]:
    return {actor.thing for actor in script.needles}


def _thing(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    brief = _briefs(script)
    thing, spans_s = choice(rng, (item for item in stays.items() if item[0] not in brief))
    return name(thing, "a"), spans_s


def _brief(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    thing = choice(rng, sorted(_briefs(script)))
    return name(thing, "a"), stays[thing]


def _shape(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    shape = choice(rng, sorted({thing.shape for thing in stays} - set(DIGITS)))
    return f"a {shape}", _when(stays, lambda thing: thing.shape == shape)


def _digit(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    digit = choice(rng, sorted({thing.shape for thing in stays} & set(DIGITS)))
    return f"the {digit}", _when(stays, lambda thing: thing.shape == digit)


def _color(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    color = choice(rng, sorted({thing.color for thing in stays}))
    return f"something {color}", _when(stays, lambda thing: thing.color == color)


def _pair(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    both = {
        (one, other): spans_s
        for one, other in itertools.permutations(stays, 2)
        if (spans_s := shared(stays[one], stays[other]))
    }
    (one, other), spans_s = choice(rng, both.items())
    return f"{name(one, 'a')} and {name(other, 'a')}", spans_s


def _other_color(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """A shape that is there, in a colour that is not."""
    colors = {thing.color for thing in stays}
    shapes = {thing.shape for thing in stays}
    absent = (Thing(color, shape) for color in COLORS if color not in colors for shape in sorted(shapes))
    return name(choice(rng, absent), "a"), []


def _other_shape(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """A colour that is there, on a shape that is not."""
    colors = {thing.color for thing in stays}
    shapes = {thing.shape for thing in stays}
    absent = (Thing(color, shape) for color in sorted(colors) for shape in SHAPES if shape not in shapes)
    return name(choice(rng, absent), "a"), []


def _recombined(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """A colour and a shape that are both there, never together."""
    colors, shapes = sorted({thing.color for thing in stays}), sorted({thing.shape for thing in stays})
    things = itertools.starmap(Thing, itertools.product(colors, shapes))
    return name(choice(rng, (thing for thing in things if thing not in stays)), "a"), []


def _apart(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """Two things that are both there, never at the same time."""
    pairs = itertools.permutations(stays.items(), 2)
    one, other = choice(
        rng, ((one, other) for (one, ours), (other, theirs) in pairs if not shared(ours, theirs))
    )
    return f"{name(one, 'a')} and {name(other, 'a')}", []


def _no_shape(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """A shape that is not there; a digit where others are."""
    shapes = {thing.shape for thing in stays}
    offered = DIGITS if shapes & set(DIGITS) and rng.random() < 0.5 else SHAPES
    shape = choice(rng, (shape for shape in offered if shape not in shapes))
    return f"{'the' if shape in DIGITS else 'a'} {shape}", []


def _no_color(script: Script, stays: Stays, rng: random.Random) -> Drawn:
    """A colour that is not there."""
    colors = {thing.color for thing in stays}
    return f"something {choice(rng, (color for color in COLORS if color not in colors))}", []


def _when(stays: Stays, fits: Callable[[Thing], bool]) -> list[Span]:
    return united([span for thing, spans_s in stays.items() if fits(thing) for span in spans_s])


PRESENT: dict[str, Draw] = {
    "thing": _thing,
    "brief": _brief,
    "shape": _shape,
    "digit": _digit,
    "color": _color,
    "pair": _pair,
}
"""Kinds of captions that are true for a part of the clip."""
ABSENT: dict[str, Draw] = {
    "other color": _other_color,
    "other shape": _other_shape,
    "recombined": _recombined,
    "apart": _apart,
    "no shape": _no_shape,
    "no color": _no_color,
}
"""Kinds of captions that never are."""
