"""Looks to train on: random painting, grading, grain and codec damage."""

from __future__ import annotations

import random

from dynfocus_cli.synth.digits import BUILT_IN
from dynfocus_cli.synth.look import PLAIN, Look
from dynfocus_tiny.digit_fonts import TRAINING_FONTS

TRAINING_HUE_DEG = 17.0
"""A little beyond the exam's 15 degrees. A turn keeps the luma, by which red turned towards orange and orange
turned towards red can still be told apart."""


def training_look(rng: random.Random) -> Look:
    """A random look to learn from: one in five is plain, none has the exam's digits."""
    if rng.random() < 0.2:
        return PLAIN
    # The built-in font as often as all the others are together: the default world is written in it.
    digits = BUILT_IN if rng.random() < 0.4 else rng.choice(TRAINING_FONTS)
    return Look(
        canvas=rng.choices((None, 192, 256), weights=(5, 2, 3))[0],
        smooth=rng.random() < 0.5,
        digits=digits,
        digit_weight=rng.uniform(0.75, 1.3),
        digit_slant=rng.choice((0.0, rng.uniform(-0.1, 0.3))),
        digit_width=rng.uniform(0.8, 1.15),
        blur=rng.uniform(0.0, 0.008) if rng.random() < 0.3 else 0.0,
        hue_deg=rng.uniform(-TRAINING_HUE_DEG, TRAINING_HUE_DEG) if rng.random() < 0.7 else 0.0,
        saturation=rng.uniform(0.8, 1.2) if rng.random() < 0.4 else 1.0,
        gain=rng.uniform(0.9, 1.1) if rng.random() < 0.4 else 1.0,
        gamma=rng.uniform(0.88, 1.14) if rng.random() < 0.4 else 1.0,
        noise=rng.uniform(0.0, 6.0) if rng.random() < 0.25 else 0.0,
        quality=rng.randint(15, 80) if rng.random() < 0.35 else None,
    )
