"""Captions of frames: what is said of them is so."""

from __future__ import annotations

import random
import re

import torch

from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Thing
from dynfocus_tiny.captions import Caption, Part, caption_words, draw_captions, presence_of

FRAMES = [
    (Thing("red", "circle"), Thing("blue", "7")),
    (Thing("red", "7"),),
    (),
    (Thing("blue", "circle"), Thing("red", "circle"), Thing("pink", "star")),
]


def named(text: str) -> list[tuple[str | None, str | None]]:
    """Colour and shape of the things that a text names, read off its words."""
    things: list[tuple[str | None, str | None]] = []
    color = None
    for word in re.findall(r"\w+", text):
        if word in COLORS:
            if color is not None:
                things.append((color, None))
            color = word
        elif word in SHAPES:
            things.append((color, word))
            color = None
    return things if color is None else [*things, (color, None)]


def test_a_caption_is_true_of_frames_that_show_all_it_names() -> None:
    presence = presence_of(FRAMES)
    captions = draw_captions(FRAMES, random.Random(1), 600)
    share = torch.stack([caption.is_true(presence).any() for caption in captions]).float().mean()
    assert 0.3 < share < 0.8
    for caption in captions:
        parts = named(caption.text.replace("of any color", ""))
        assert parts, caption.text
        expected = [
            all(
                any(c in (None, thing.color) and s in (None, thing.shape) for thing in things)
                for c, s in parts
            )
            for things in FRAMES
        ]
        assert caption.is_true(presence).tolist() == expected, caption


def test_no_two_parts_of_a_caption_can_be_one_thing() -> None:
    for caption in draw_captions(FRAMES, random.Random(2), 600):
        if len(caption.parts) == 2:
            one, other = caption.parts
            assert any(
                None not in traits and traits[0] != traits[1]
                for traits in ((one.color, other.color), (one.shape, other.shape))
            ), caption


def test_every_word_is_known() -> None:
    words = caption_words()
    for caption in draw_captions(FRAMES, random.Random(3), 600):
        assert set(re.findall(r"\w+", caption.text)) <= words
    assert {"an", "orange", "7", *DIGITS} <= words


def test_near_misses_are_among_them() -> None:
    captions = draw_captions([(Thing("red", "circle"), Thing("blue", "star"))] * 2, random.Random(4), 400)
    single = {caption.parts for caption in captions if len(caption.parts) == 1}
    assert (Part("red", "star"),) in single
    assert (Part("blue", "circle"),) in single
    assert Caption((Part("red", None),), "").is_true(presence_of(FRAMES)).tolist() == [
        True,
        True,
        False,
        True,
    ]
