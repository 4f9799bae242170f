"""What the generator knows of a frame, as classes that linear heads learn to predict."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from dynfocus_cli.synth.questions import Question, name, wording_of
from dynfocus_cli.synth.world import COLORS, DIGITS, MIN_SCENE_S, SHAPES, Sighting, Thing

COLOR_NAMES = tuple(COLORS)
CELLS = 9
NOTHING = (len(SHAPES), len(COLORS), CELLS)
"""Shape, colour and cell where nothing is: a class of its own behind each one's."""
NEIGHBOUR_TYPES = ("before", "after")
UNKNOWN = -100
"""Label where the frames do not tell, or more than one class would be right; no loss is taken there."""


def thing_label(thing: Thing) -> tuple[int, int]:
    """Shape and colour of a thing."""
    return SHAPES.index(thing.shape), COLOR_NAMES.index(thing.color)


def cell_of(seen: Sighting) -> int:
    """The grid cell nearest to a thing, 0 to 8, row by row."""
    return min(2, max(0, round(seen.row))) * 3 + min(2, max(0, round(seen.column)))


def sighting_label(seen: Sighting) -> tuple[int, int, int]:
    """Shape, colour and cell of a thing in a frame."""
    return *thing_label(seen.thing), cell_of(seen)


def only_label(sightings: Sequence[Sighting]) -> tuple[int, int, int]:
    """The label of the one sighting there is; `NOTHING` for none, unknown for several."""
    if not sightings:
        return NOTHING
    return sighting_label(sightings[0]) if len(sightings) == 1 else (UNKNOWN,) * 3


def names_in(question: Question) -> set[str]:
    """The names, without articles, of the things that a question names by colour and shape."""
    fields = dict(question.fields)
    named = {fields[key].removeprefix("the ") for key in ("thing", "one", "other") if key in fields}
    if "a_thing" in fields:
        named.add(fields["a_thing"].partition(" ")[2])
    return named


def about(question: Question) -> Callable[[Thing], bool]:
    """Which things a question is about: those that it names or describes; any, where it names none.

    What comes before or after a thing may be any other, so such a question is about all.
    """
    fields = dict(question.fields)
    kind = wording_of(question)
    names = set() if kind in NEIGHBOUR_TYPES else names_in(question)
    if kind == "digit":
        return lambda thing: thing.shape in DIGITS
    return lambda thing: (
        (not names or name(thing) in names)
        and thing.shape == fields.get("shape", thing.shape)
        and thing.color == fields.get("color", thing.color)
    )


def show_brief_events(seconds: Sequence[int]) -> bool:
    """Whether frames at these seconds are so close that a scene nearly always shows in more of them than a
    brief event does; else everything that shows in one frame may have been brief."""
    widest = max((later - earlier for earlier, later in itertools.pairwise(seconds)), default=1)
    return widest <= MIN_SCENE_S // 2
