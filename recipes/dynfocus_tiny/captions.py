"""Captions of single frames: what they say, in many wordings, and of which frames they are true."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.synth.questions import name
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Thing
from dynfocus_tiny.labels import COLOR_NAMES, thing_label

SENTENCES = (
    "{}",
    "{}",
    "{}",
    "{}",
    "there is {}",
    "{} is shown",
    "{} appears",
    "{} can be seen",
    "{} is on screen",
    "{} is visible",
    "{} shows up",
    "{} flashes up",
    "{} in the picture",
    "{} on the screen",
    "you see {}",
    "a picture of {}",
    "the video shows {}",
)
PAIRS = ("{} and {}", "{} and {}", "{} with {}", "both {} and {}", "{} together with {}", "{} beside {}")
COLORED = ("something {}", "something {}", "a {} thing", "a {} object", "the {} thing", "anything {}")
NUMBERS = ("the {}", "the {}", "a {}", "{}", "the digit {}", "the number {}", "a digit {}")
SHAPED = ("a {}", "a {}", "the {}", "{}", "a {} of any color")
ARTICLES = ("a", "a", "the", None)


@dataclass(frozen=True, slots=True)
class Part:
    """A thing that a caption names, by its colour, its shape or both."""

    color: str | None
    shape: str | None

    def fits(self, thing: Thing) -> bool:
        """Whether a thing is what it names."""
        return self.color in (None, thing.color) and self.shape in (None, thing.shape)

    def worded(self, rng: random.Random) -> str:
        """The words for it."""
        if self.color is None:
            assert self.shape is not None
            return rng.choice(NUMBERS if self.shape in DIGITS else SHAPED).format(self.shape)
        if self.shape is None:
            return rng.choice(COLORED).format(self.color)
        return name(Thing(self.color, self.shape), rng.choice(ARTICLES))


@dataclass(frozen=True, slots=True)
class Caption:
    """One part, or two that are both there."""

    parts: tuple[Part, ...]
    text: str

    def is_true(self, presence: Tensor) -> Tensor:
        """Of which frames it is true.

        Shape:
            presence: (F, colours, shapes) bool, see `presence_of`.
            returns: (F,) bool.
        """
        true = presence.new_ones(len(presence))
        for part in self.parts:
            colors = slice(None) if part.color is None else slice(i := COLOR_NAMES.index(part.color), i + 1)
            shapes = slice(None) if part.shape is None else slice(j := SHAPES.index(part.shape), j + 1)
            true = true & presence[:, colors, shapes].flatten(1).any(dim=1)
        return true


def presence_of(frames: Sequence[Sequence[Thing]]) -> Tensor:
    """Which things each frame shows: (F, colours, shapes) bool."""
    presence = torch.zeros(len(frames), len(COLORS), len(SHAPES), dtype=torch.bool)
    for row, things in enumerate(frames):
        for thing in things:
            shape, color = thing_label(thing)
            presence[row, color, shape] = True
    return presence


def draw_captions(frames: Sequence[Sequence[Thing]], rng: random.Random, count: int) -> list[Caption]:
    """Captions for a batch of frames: true ones, near misses of these, and any others, about a third each.

    Args:
        frames: what each frame shows.
    """
    shown = [things for things in frames if things]
    captions = []
    for _ in range(count):
        parts = _parts(rng.choice(shown) if shown else (), rng)
        text = rng.choice(PAIRS).format(*(part.worded(rng) for part in parts)) if len(parts) > 1 else ""
        text = rng.choice(SENTENCES).format(text or parts[0].worded(rng))
        captions.append(Caption(parts, text))
    return captions


def _parts(things: Sequence[Thing], rng: random.Random) -> tuple[Part, ...]:
    drawn = rng.random()
    if not things or drawn < 0.2:
        one, other = (Thing(rng.choice(COLOR_NAMES), rng.choice(SHAPES)) for _ in range(2))
    else:
        one = rng.choice(things)
        other = rng.choice([thing for thing in things if thing != one] or [one])
        if drawn < 0.6:
            one = _nearly(one, other, rng)
        elif drawn < 0.7:
            other = _nearly(other, one, rng)
    first = _named(one, rng)
    if rng.random() < 0.5:
        return (first,)
    second = _named(other, rng)
    # Otherwise one thing could be both.
    if first.fits(other) or second.fits(one) or None in (first.shape, second.shape):
        first, second = Part(one.color, one.shape), Part(other.color, other.shape)
    return (first,) if first == second else (first, second)


def _nearly(thing: Thing, other: Thing, rng: random.Random) -> Thing:
    """A thing that differs in colour or shape, as another one of the frame may have it."""
    if thing != other and rng.random() < 0.4:
        return rng.choice((Thing(thing.color, other.shape), Thing(other.color, thing.shape)))
    if rng.random() < 0.5:
        return Thing(rng.choice(COLOR_NAMES), thing.shape)
    alike = DIGITS if thing.shape in DIGITS and rng.random() < 0.5 else SHAPES
    return Thing(thing.color, rng.choice(alike))


def _named(thing: Thing, rng: random.Random) -> Part:
    drawn = rng.random()
    if drawn < 0.2:
        return Part(None, thing.shape)
    return Part(thing.color, None if drawn < 0.3 else thing.shape)


def caption_words() -> set[str]:
    """All words of the captions, in small letters."""
    wordings = (*SENTENCES, *PAIRS, *COLORED, *NUMBERS, *SHAPED)
    texts = [*(wording.replace("{}", " ") for wording in wordings), "a", "an", "the", *COLORS, *SHAPES]
    return {word for text in texts for word in text.lower().split()}
