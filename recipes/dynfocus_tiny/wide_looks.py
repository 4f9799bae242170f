"""Looks and worlds of the widened world to train on: what a viewer would not notice, drawn at random."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from dynfocus_cli.synth.backdrops import PAINTED, TEXTURES
from dynfocus_cli.synth.digits import BUILT_IN
from dynfocus_cli.synth.drawing import STANDARD, Drawing
from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.world import COLORS, SHORT, WIDE, World
from dynfocus_tiny.digit_fonts import TRAINING_FONTS
from dynfocus_tiny.looks import TrainingLook, training_look
from dynfocus_tiny.materials import Materials

OLD_SHARE = 0.3
"""Of what is drawn is in the old world's looks and sizes."""
VARIANTS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((255, 0, 0), (220, 20, 60), (200, 30, 30), (229, 57, 53)),
    "green": ((0, 128, 0), (0, 200, 0), (34, 139, 34), (0, 255, 0), (46, 160, 67)),
    "blue": ((0, 0, 255), (30, 144, 255), (25, 60, 200), (33, 150, 243)),
    "yellow": ((255, 255, 0), (255, 215, 0), (250, 235, 60)),
    "purple": ((128, 0, 128), (148, 0, 211), (156, 39, 176), (110, 50, 170)),
    "orange": ((255, 165, 0), (255, 140, 0), (255, 120, 20), (245, 124, 0)),
    "white": ((255, 255, 255), (235, 235, 235), (248, 248, 240)),
    "pink": ((255, 192, 203), (255, 105, 180), (255, 160, 190), (244, 143, 177)),
}
"""Other colours of the same name."""
JITTER = 12
"""Levels of 255 by which each of red, green and blue may differ besides."""


def wide_look(rng: random.Random, materials: Materials) -> Look:
    """A random look of the widened world; one in so many of the old one."""
    if rng.random() < OLD_SHARE:
        return training_look(rng)
    old = training_look(rng)
    base = old if isinstance(old, TrainingLook) else TrainingLook(smooth=True)
    aspect = _aspect(rng)
    return replace(
        base,
        digits=_digits(rng, materials),
        smooth=base.smooth or rng.random() < 0.8,
        aspect=aspect,
        frame_aspect=rng.choice((16 / 9, 4 / 3, 1.0)) if rng.random() < 0.1 else None,
        drawing=_drawing(rng),
        backdrop=_backdrop(rng, materials),
        colors=_colors(rng),
    )


def world_for(look: Look, rng: random.Random) -> World:
    """The world to draw a script from, for a look: things stay large enough to be told in a small picture."""
    if isinstance(look, TrainingLook) and look.aspect == 1.0 and look.drawing.is_standard():
        if rng.random() < 0.7:
            return SHORT
    elif not isinstance(look, TrainingLook):
        return SHORT
    width, height = look.frame_size(900)
    shrink = max(width, height) / min(look.picture_size(900))
    least = WIDE.radii[0] * shrink**0.75
    if rng.random() < 0.4:
        return replace(WIDE, radii=(0.105, 0.145))
    return replace(WIDE, radii=(least, WIDE.radii[1]))


def _aspect(rng: random.Random) -> float:
    drawn = rng.random()
    if drawn < 0.4:
        return 1.0
    if drawn < 0.6:
        return 16 / 9
    if drawn < 0.85:
        return rng.choice((4 / 3, 9 / 16, 3 / 4))
    return math.exp(rng.uniform(math.log(0.5), math.log(2.3)))


def _digits(rng: random.Random, materials: Materials) -> str:
    drawn = rng.random()
    if materials.fonts and drawn < 0.65:
        return rng.choice(materials.fonts)
    return BUILT_IN if drawn < 0.85 else rng.choice(TRAINING_FONTS)


def _backdrop(rng: random.Random, materials: Materials) -> str:
    drawn = rng.random()
    if materials.backdrop is not None and drawn < 0.35:
        return materials.backdrop
    return TEXTURES if drawn < 0.6 else PAINTED


def _colors(rng: random.Random) -> tuple[tuple[str, tuple[int, int, int]], ...]:
    if rng.random() < 0.35:
        return ()
    colors = []
    for name, usual in COLORS.items():
        red, green, blue = rng.choice((usual, *VARIANTS[name]))
        red, green, blue = (
            min(255, max(0, level + rng.randint(-JITTER, JITTER))) for level in (red, green, blue)
        )
        colors.append((name, (red, green, blue)))
    return tuple(colors)


def _drawing(rng: random.Random) -> Drawing:
    if rng.random() < 0.3:
        return STANDARD
    return Drawing(
        stretch=(rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1)),
        tilt_deg=rng.gauss(0.0, 6.0) if rng.random() < 0.4 else 0.0,
        mirrored=rng.random() < 0.4,
        star_points=rng.choices((5, 4, 6), weights=(8, 1, 1))[0],
        star_inner=rng.uniform(0.32, 0.55),
        ring_width=rng.uniform(0.16, 0.5),
        cross_width=rng.uniform(0.16, 0.38),
        diamond_width=rng.uniform(0.5, 0.95),
        apex=rng.choice((0.0, rng.uniform(-1.0, 1.0))),
        house=rng.choice(("legs", "plain", "door", "chimney")),
        tree=rng.choice(("two tiers", "three tiers", "round")),
        moon=rng.choice(("old", "thin", "thick")),
        heart=rng.choice(("curve", "lobes")),
        fish_eye=rng.random() < 0.5,
        hollow=rng.random() < 0.1,
        contour=rng.uniform(0.04, 0.14) if rng.random() < 0.25 else 0.0,
        contour_light=rng.random() < 0.3,
        shading=rng.uniform(0.05, 0.2) if rng.random() < 0.25 else 0.0,
    )
