"""Looks to train on: random painting, grading, grain and codec damage."""

from __future__ import annotations

import functools
import io
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from dynfocus_cli.synth.digits import BUILT_IN
from dynfocus_cli.synth.look import PLAIN, Look, graded
from dynfocus_tiny.digit_fonts import TRAINING_FONTS

TRAINING_HUE_DEG = 17.0
"""A little beyond the exam's 15 degrees. A turn keeps the luma, by which red turned towards orange and orange
turned towards red can still be told apart."""


@dataclass(frozen=True, slots=True)
class TrainingLook(Look):
    """A look with everything that real files do to a picture."""

    canvas: int | None = None
    """Pixels of the shorter side that is painted, before the picture is scaled to its size; None paints at
    its size."""
    digit_weight: float = 1.0
    """Width of a digit's strokes, as a multiple of what they usually are."""
    digit_slant: float = 0.0
    """How far it leans to the right for each unit of height; the built-in font stays upright."""
    digit_width: float = 1.0
    """Width of a digit, as a multiple of what it usually is; the built-in font keeps its own."""
    blur: float = 0.0
    """Standard deviation of a Gaussian blur, as a fraction of the frame's width."""
    saturation: float = 1.0
    gain: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0
    """Standard deviation of each frame's own grain, in levels of 255."""
    quality: int | None = None
    """JPEG quality, 1 to 95, for blocks as of a coarse codec; None leaves the frame as it is."""

    def __post_init__(self) -> None:
        Look.__post_init__(self)
        for field in ("digit_weight", "digit_width", "gain", "gamma"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} must be above 0, got {getattr(self, field)}")
        for field in ("blur", "saturation", "noise"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} must be at least 0, got {getattr(self, field)}")
        if self.canvas is not None and self.canvas < 1:
            raise ValueError(f"canvas must be at least 1, got {self.canvas}")
        if self.quality is not None and not 1 <= self.quality <= 95:
            raise ValueError(f"quality must lie between 1 and 95, got {self.quality}")

    def canvas_size(self, size: int) -> int:
        """Pixels of the shorter side to paint, for a picture whose shorter side has `size`."""
        return self.canvas or size

    def develop(self, canvas: Image.Image, size: int, grain_seed: int) -> Image.Image:
        """The canvas scaled to a shorter side of `size` pixels, blurred, graded, grained and coded."""
        image = canvas
        if image.size != self.picture_size(size):
            image = image.resize(self.picture_size(size), Image.Resampling.BILINEAR)
        if self.blur:
            image = image.filter(ImageFilter.GaussianBlur(self.blur * size))
        if (self.hue_deg, self.saturation, self.gain) != (0.0, 1.0, 1.0):
            image = graded(image, self.hue_deg, self.saturation, self.gain)
        if self.gamma != 1.0:
            image = image.point(_gamma_table(self.gamma))
        if self.noise:
            image = _grain(image, self.noise, grain_seed)
        if self.quality is not None:
            coded = io.BytesIO()
            image.save(coded, "JPEG", quality=self.quality)
            image = Image.open(coded)
            image.load()
        return image


def training_look(rng: random.Random) -> Look:
    """A random look to learn from: one in five is plain, none has the exam's digits."""
    if rng.random() < 0.2:
        return PLAIN
    # The built-in font as often as all the others are together: the default world is written in it.
    digits = BUILT_IN if rng.random() < 0.4 else rng.choice(TRAINING_FONTS)
    return TrainingLook(
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


@functools.lru_cache(maxsize=64)
def _gamma_table(gamma: float) -> list[int]:
    return 3 * [round(255 * (level / 255) ** gamma) for level in range(256)]


def _grain(image: Image.Image, deviation: float, seed: int) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    grain = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(pixels + np.float32(deviation) * grain, 0, 255).astype(np.uint8))
