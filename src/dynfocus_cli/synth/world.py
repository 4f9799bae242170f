"""Scripts of generated clips: scenes, cuts, motion, colour changes, and brief needle events.

A script is drawn from a seed before any pixel is painted, so that the frames (`render`), the questions
(`questions`) and the mp4 files (`write`) all tell the same story. Every event begins and ends on a whole
second: sampled at one frame a second, a clip hides nothing.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

COLORS = {
    "red": (222, 38, 38),
    "green": (40, 176, 62),
    "blue": (48, 92, 232),
    "yellow": (240, 222, 48),
    "purple": (152, 58, 196),
    "orange": (246, 138, 26),
    "white": (244, 244, 244),
    "pink": (250, 142, 192),
}
FIGURES = ("circle", "square", "triangle", "star", "diamond", "cross", "heart", "ring")
ICONS = ("house", "tree", "moon", "fish")
DIGITS = tuple("0123456789")
SHAPES = FIGURES + ICONS + DIGITS

POSITIONS = (
    ("top left", "top", "top right"),
    ("left", "center", "right"),
    ("bottom left", "bottom", "bottom right"),
)
CELLS = tuple((row, column) for row in range(3) for column in range(3))
DIRECTIONS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}

MIN_DURATION_S, MAX_DURATION_S = 16, 120
MIN_SCENE_S, MAX_SCENES = 4, 6
NEEDLE_DURATIONS_S = (1, 2)


@dataclass(frozen=True, slots=True)
class World:
    """What clips are drawn from; the default is the old world, which `dynfocus-tiny` began with."""

    durations_s: tuple[int, int] = (MIN_DURATION_S, MAX_DURATION_S)
    scenes: tuple[int, int] = (1, MAX_SCENES)
    """Fewest and most scenes, where the clip is long enough for them."""
    needles: tuple[int, ...] = (20, 62, 18)
    """Weights of no brief event, of one, of two ..."""
    colors: int = 4
    """That a clip returns to, as to its figures and digits: the fewer, the more often is a shape seen in
    another colour, and the fewer things are seen in one scene alone."""
    figures: int = 3
    digits: int = 1
    radii: tuple[float, float] = (0.105, 0.145)
    """Least and largest of things, as fractions of the picture's shorter side."""
    entrances: float = 0.0
    """Share of the things that come after their scene has begun, or go before it ends."""
    easing: float = 0.0
    """Share of the travelling things that do not move evenly, or not for the whole of their stay."""

    def is_wide(self) -> bool:
        """Whether its scripts are drawn by the rules of the widened world."""
        return self.radii != SHORT.radii or self.entrances > 0 or self.easing > 0


SHORT = World()
LONG = World(durations_s=(128, 300), scenes=(14, 24), needles=(10, 75, 15), colors=8, figures=8, digits=5)
"""Minutes with more scenes than a handful of frames can show, and things enough that scenes can be told apart
by what is in them: order and neighbourhood have to be followed through the whole clip, while digits, colours
and brief events are details of single seconds."""
WIDE = World(
    durations_s=(16, 300),
    scenes=(1, 10),
    colors=5,
    figures=4,
    digits=2,
    radii=(0.05, 0.25),
    entrances=0.25,
    easing=0.5,
)
"""The widened world."""
WORLDS = {"short": SHORT, "long": LONG, "wide": WIDE}

MOST_SHARED_RADIUS = 0.18
"""Largest radius of things that share their scene with others: above it they would hide one another."""
SHORTEST_STAY_S = 4
"""Seconds for which a thing stays that is no brief event."""
EASINGS: dict[str, Callable[[float], float]] = {
    "even": lambda share: share,
    "in": lambda share: share**2,
    "out": lambda share: 1.0 - (1.0 - share) ** 2,
    "in and out": lambda share: share * share * (3.0 - 2.0 * share),
}
"""How much of its way a thing has gone after a share of its time."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """A shape of one colour: what questions name."""

    color: str
    shape: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A thing on stage between two whole seconds."""

    thing: Thing
    start_s: int
    end_s: int
    row: float
    """Centre in grid units: 0, 1, 2 from top to bottom, plus a little jitter."""
    column: float
    radius: float
    """Half the thing's width as a fraction of the canvas."""
    direction: str | None = None
    """Where it travels during its whole stay, from one edge of the grid to the other; None stands still."""
    turns: tuple[int, str] | None = None
    """Second and new colour of its one colour change."""
    needle: bool = False
    easing: str = field(default="even", repr=False)
    """How it travels, see `EASINGS`."""
    travels_s: tuple[float, float] | None = field(default=None, repr=False)
    """When it begins and ends to travel, seconds; None travels during its whole stay."""

    def at(self, time_s: float) -> Sighting | None:
        """The actor as seen at `time_s` seconds, or None while it is off stage."""
        if not self.start_s <= time_s < self.end_s:
            return None
        row, column = self.row, self.column
        if self.direction is not None:
            step_down, step_right = DIRECTIONS[self.direction]
            begin_s, end_s = self.travels_s or (self.start_s, self.end_s)
            progress = 2.0 * (time_s - begin_s) / (end_s - begin_s)
            if self.easing != "even" or self.travels_s is not None:
                progress = 2.0 * EASINGS[self.easing](min(1.0, max(0.0, progress / 2.0)))
            row, column = row + step_down * progress, column + step_right * progress
        thing = self.thing
        if self.turns is not None and time_s >= self.turns[0]:
            thing = Thing(self.turns[1], thing.shape)
        return Sighting(thing, row, column, self)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A thing as it is seen in one frame."""

    thing: Thing
    row: float
    column: float
    actor: Actor

    @property
    def position(self) -> str | None:
        """The name of its grid cell, or None where a moving thing is between two cells."""
        row, column = round(self.row), round(self.column)
        if max(abs(self.row - row), abs(self.column - column)) > 0.3:
            return None
        return POSITIONS[row][column]


@dataclass(frozen=True, slots=True)
class Background:
    """What a scene is painted on."""

    kind: str
    """`plain`, `gradient` or `noise`."""
    colors: tuple[tuple[int, int, int], tuple[int, int, int]]
    texture_seed: int


@dataclass(frozen=True, slots=True)
class Scene:
    """The stretch between two cuts."""

    index: int
    start_s: int
    end_s: int
    background: Background
    actors: tuple[Actor, ...]

    def at(self, time_s: float) -> tuple[Sighting, ...]:
        """What is on stage at `time_s` seconds."""
        return tuple(seen for actor in self.actors if (seen := actor.at(time_s)) is not None)


@dataclass(frozen=True, slots=True)
class Script:
    """A whole clip before it is painted."""

    seed: int
    duration_s: int
    scenes: tuple[Scene, ...]

    def scene_at(self, time_s: float) -> Scene:
        """The scene on screen at `time_s` seconds; the last one from its start on."""
        return next((scene for scene in self.scenes if time_s < scene.end_s), self.scenes[-1])

    @property
    def needles(self) -> tuple[Actor, ...]:
        """The brief events, in time order."""
        needles = (actor for scene in self.scenes for actor in scene.actors if actor.needle)
        return tuple(sorted(needles, key=lambda actor: actor.start_s))


def write_script(
    seed: int, *, duration_s: int | None = None, scenes: int | None = None, world: World = SHORT
) -> Script:
    """Draws a clip's script from `seed`; `duration_s` (seconds) and `scenes` fix what is else drawn too."""
    rng = random.Random(seed)
    if duration_s is None:
        # Log-uniform: as many clips between 16 and 32 s as between 60 and 120 s.
        shortest_s, longest_s = world.durations_s
        duration_s = int(math.exp(rng.uniform(math.log(shortest_s), math.log(longest_s + 0.99))))
    fewest_scenes, most_scenes = world.scenes
    most_scenes = max(1, min(most_scenes, duration_s // MIN_SCENE_S))
    if scenes is None:
        scenes = rng.randint(min(fewest_scenes, most_scenes), most_scenes)
    scenes = min(scenes, most_scenes)
    cuts = _cut(rng, duration_s, scenes)
    # A clip returns to few shapes and colours, so that the same shape changes colour from scene to scene and
    # a question can't be answered from its own words.
    palette = rng.sample(list(COLORS), world.colors)
    cast = rng.sample(FIGURES + ICONS, world.figures) + rng.sample(DIGITS, world.digits)
    backgrounds: list[Background] = []
    built = []
    for index, (start_s, end_s) in enumerate(cuts):
        backgrounds.append(_background(rng, unlike=backgrounds[-1] if backgrounds else None))
        built.append(
            Scene(index, start_s, end_s, backgrounds[-1], _actors(rng, start_s, end_s, palette, cast))
        )
    scenes_drawn = _with_needles(rng, built, world.needles)
    if world.is_wide():
        varied = random.Random(f"{seed} wide")  # a stream of its own: the old draws stay as they are
        scenes_drawn = [_widened(scene, world, varied) for scene in scenes_drawn]
    return Script(seed, duration_s, tuple(scenes_drawn))


def _cut(rng: random.Random, duration_s: int, scenes: int) -> list[tuple[int, int]]:
    """Cuts a clip into scenes of at least `MIN_SCENE_S` seconds, all such cuttings being equally likely."""
    spare = duration_s - MIN_SCENE_S * scenes
    offsets = sorted(rng.randint(0, spare) for _ in range(scenes - 1))
    edges = [0, *(offset + MIN_SCENE_S * (i + 1) for i, offset in enumerate(offsets)), duration_s]
    return list(itertools.pairwise(edges))


def _background(rng: random.Random, unlike: Background | None) -> Background:
    """A muted background, well apart from the previous scene's, so that a cut is a cut to the eye."""

    def muted() -> tuple[int, int, int]:
        grey = rng.randint(8, 120)
        red, green, blue = (min(150, max(0, grey + rng.randint(-28, 28))) for _ in range(3))
        return red, green, blue

    while True:
        first = muted()
        kind = rng.choice(("plain", "gradient", "noise"))
        if unlike is None or sum(abs(a - b) for a, b in zip(first, unlike.colors[0], strict=True)) > 60:
            return Background(kind, (first, muted()), rng.getrandbits(31))


def _actors(
    rng: random.Random, start_s: int, end_s: int, palette: list[str], cast: list[str]
) -> tuple[Actor, ...]:
    """One to three things in cells of their own, one of which may travel or change colour."""
    count = rng.choices((1, 2, 3), weights=(50, 32, 18))[0]
    things: list[Thing] = []
    while len(things) < count:
        color = rng.choice(palette) if rng.random() < 0.8 else rng.choice(list(COLORS))
        shape = rng.choice(cast) if rng.random() < 0.8 else rng.choice(SHAPES)
        if Thing(color, shape) not in things:
            things.append(Thing(color, shape))
    free = list(CELLS)
    actors: list[Actor] = []
    travels = rng.random() < 0.35
    turns = rng.random() < 0.3
    for order, thing in enumerate(things):
        direction = rng.choice(list(DIRECTIONS)) if order == 0 and travels else None
        if direction is not None:
            down, right = DIRECTIONS[direction]
            row = rng.randrange(3) if down == 0 else (0 if down > 0 else 2)
            column = rng.randrange(3) if right == 0 else (0 if right > 0 else 2)
            free = [cell for cell in free if (cell[0] != row if down == 0 else cell[1] != column)]
        else:
            row, column = free.pop(rng.randrange(len(free)))
        change = None
        if direction is None and turns and end_s - start_s >= 2 * MIN_SCENE_S:
            turns = False
            others = [color for color in COLORS if all(color != seen.color for seen in things)]
            change = (rng.randint(start_s + 3, end_s - 3), rng.choice(others))
        actors.append(
            Actor(
                thing,
                start_s,
                end_s,
                row + (0.0 if direction else rng.uniform(-0.1, 0.1)),
                column + (0.0 if direction else rng.uniform(-0.1, 0.1)),
                rng.uniform(0.105, 0.145),
                direction,
                change,
            )
        )
    return tuple(actors)


def _with_needles(rng: random.Random, scenes: list[Scene], weights: tuple[int, ...]) -> list[Scene]:
    """Adds needle events: things seen nowhere else, for a second or two, within a scene.

    `weights` are of none, one, two ...; a scene has one at most.
    """
    actors = [actor for scene in scenes for actor in scene.actors]
    used = {actor.thing for actor in actors}
    used |= {Thing(actor.turns[1], actor.thing.shape) for actor in actors if actor.turns}
    for _ in range(rng.choices(range(len(weights)), weights=weights)[0]):
        place = rng.randrange(len(scenes))
        scene = scenes[place]
        if any(actor.needle for actor in scene.actors):
            continue
        length = rng.choice(NEEDLE_DURATIONS_S)
        start_s = rng.randint(scene.start_s + 1, scene.end_s - length - 1)
        things = (Thing(color, shape) for color in COLORS for shape in SHAPES)
        thing = rng.choice([thing for thing in things if thing not in used])
        used.add(thing)
        free = [cell for cell in CELLS if not any(_crosses(actor, *cell) for actor in scene.actors)]
        row, column = rng.choice(free)
        needle = Actor(thing, start_s, start_s + length, row, column, rng.uniform(0.105, 0.145), needle=True)
        scenes[place] = replace(scene, actors=(*scene.actors, needle))
    return scenes


def _widened(scene: Scene, world: World, rng: random.Random) -> Scene:
    """The scene with other sizes, entrances, exits and ways to travel; the smaller things lie in front."""
    most = world.radii[1] if len(scene.actors) == 1 else min(world.radii[1], MOST_SHARED_RADIUS)
    actors = []
    for actor in scene.actors:
        radius = math.exp(rng.uniform(math.log(world.radii[0]), math.log(most)))
        row, column = (
            place if actor.direction is not None else _inside(place, radius)
            for place in (actor.row, actor.column)
        )
        changed = replace(actor, radius=radius, row=row, column=column)
        if not actor.needle and rng.random() < world.entrances:
            changed = _entering(changed, scene, rng)
        if actor.direction is not None and rng.random() < world.easing:
            stay_s = changed.end_s - changed.start_s
            travels_s = None
            if rng.random() < 0.5:
                travels_s = (
                    changed.start_s + rng.uniform(0.0, 0.25) * stay_s,
                    changed.end_s - rng.uniform(0.0, 0.25) * stay_s,
                )
            changed = replace(changed, easing=rng.choice(list(EASINGS)), travels_s=travels_s)
        actors.append(changed)
    actors.sort(key=lambda actor: -actor.radius)
    return replace(scene, actors=tuple(actors))


def _inside(place: float, radius: float) -> float:
    """Row or column of a thing that is wholly in the picture, or as much as it can be."""
    margin = min(1.0, 3 * radius - 0.5)
    return min(2.0 - margin, max(margin, place))


def _entering(actor: Actor, scene: Scene, rng: random.Random) -> Actor:
    """The actor on stage for a part of the scene, before and after its change of colour."""
    earliest, latest = actor.start_s, actor.end_s
    if actor.turns is not None:  # three seconds in the colour that it had
        latest_start, earliest_end = actor.turns[0] - 3, actor.turns[0] + 3
    else:
        latest_start, earliest_end = latest - SHORTEST_STAY_S, earliest + SHORTEST_STAY_S
    start_s, end_s = earliest, latest
    if rng.random() < 0.7 and latest_start > earliest:
        start_s = rng.randint(earliest + 1, latest_start)
    elif earliest_end < latest:
        end_s = rng.randint(max(earliest_end, start_s + SHORTEST_STAY_S), latest - 1)
    return replace(actor, start_s=start_s, end_s=end_s)


def _crosses(actor: Actor, row: int, column: int) -> bool:
    """Whether the actor ever stands in this grid cell."""
    if actor.direction is None:
        return (round(actor.row), round(actor.column)) == (row, column)
    return round(actor.row) == row if DIRECTIONS[actor.direction][0] == 0 else round(actor.column) == column
