"""How a clip's frames look, whatever they show: what real files do to a picture.

A look changes pixels alone. The script, its questions and their answers stay the same, so one exam can be
held on many looks.
"""

from __future__ import annotations

import functools
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from dynfocus_cli.synth.digits import BUILT_IN, EXAM_FONT, FONTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPERSAMPLING = 4
"""Anti-aliased edges are painted this many times as wide and high, and averaged: 17 levels of coverage."""


@dataclass(frozen=True, slots=True)
class Look:
    """How frames are painted and graded; the default is hard edges and untouched colours."""

    canvas: int | None = None
    """Pixels a side that are painted, before the frame is scaled to its size; None paints at that size."""
    smooth: bool = False
    """Anti-aliased edges."""
    digits: str = BUILT_IN
    """Name of a digit font, see `digits.FONTS`."""
    digit_weight: float = 1.0
    """Width of its strokes, as a multiple of what they usually are."""
    digit_slant: float = 0.0
    """How far it leans to the right for each unit of height; the built-in font stays upright."""
    digit_width: float = 1.0
    """Width of a digit, as a multiple of what it usually is; the built-in font keeps its own."""
    blur: float = 0.0
    """Standard deviation of a Gaussian blur, as a fraction of the frame's width."""
    hue_deg: float = 0.0
    """Turn of all colours about the grey axis, degrees."""
    saturation: float = 1.0
    gain: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0
    """Standard deviation of each frame's own grain, in levels of 255."""
    quality: int | None = None
    """JPEG quality, 1 to 95, for blocks as of a coarse codec; None leaves the frame as it is."""

    def __post_init__(self) -> None:
        if self.digits not in FONTS:
            raise ValueError(f"no digit font {self.digits!r}; there are {', '.join(FONTS)}")
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


PLAIN = Look()

LOOKS: dict[str, Look] = {
    "plain": PLAIN,
    "smooth": Look(smooth=True),
    "hue+15": Look(hue_deg=15.0),
    "hue-15": Look(hue_deg=-15.0),
    "digits": Look(digits=EXAM_FONT),
}
"""Looks by name. `digits` is in the font that training never sees."""


def develop(image: Image.Image, look: Look, size: int, grain_seed: int) -> Image.Image:
    """What becomes of a painted canvas: scaled to `size` pixels a side, blurred, graded, grained, coded."""
    if image.width != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    if look.blur:
        image = image.filter(ImageFilter.GaussianBlur(look.blur * size))
    if (look.hue_deg, look.saturation, look.gain) != (0.0, 1.0, 1.0):
        image = image.convert("RGB", _color_matrix(look.hue_deg, look.saturation, look.gain))
    if look.gamma != 1.0:
        image = image.point(_gamma_table(look.gamma))
    if look.noise:
        image = _grain(image, look.noise, grain_seed)
    if look.quality is not None:
        coded = io.BytesIO()
        image.save(coded, "JPEG", quality=look.quality)
        image = Image.open(coded)
        image.load()
    return image


@functools.lru_cache(maxsize=64)
def _color_matrix(hue_deg: float, saturation: float, gain: float) -> tuple[float, ...]:
    """Rows of PIL's 3 x 4 matrix: into luma and chroma, a turn of the chroma, and back."""
    to_yuv = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
    # With U to the right and V upwards red lies at 103 degrees and yellow at 167: a turn takes red to yellow.
    cos, sin = (saturation * part(math.radians(hue_deg)) for part in (math.cos, math.sin))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    matrix = gain * np.linalg.inv(to_yuv) @ turn @ to_yuv
    return tuple(float(value) for value in np.hstack((matrix, np.zeros((3, 1)))).flat)


@functools.lru_cache(maxsize=64)
def _gamma_table(gamma: float) -> list[int]:
    return 3 * [round(255 * (level / 255) ** gamma) for level in range(256)]


def _grain(image: Image.Image, deviation: float, seed: int) -> Image.Image:
    pixels: NDArray[np.float32] = np.asarray(image, dtype=np.float32)
    grain = np.random.default_rng(seed).standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(pixels + np.float32(deviation) * grain, 0, 255).astype(np.uint8))
