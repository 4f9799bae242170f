"""How a clip's frames look, whatever they show: what real files do to a picture.

A look changes pixels alone. The script, its questions and their answers stay the same, so one exam can be
held on many looks.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dynfocus_cli.synth.digits import BUILT_IN, EXAM_FONT, FONTS

SUPERSAMPLING = 4
"""Anti-aliased edges are painted this many times as wide and high, and averaged: 17 levels of coverage."""


@dataclass(frozen=True, slots=True)
class Look:
    """How frames are painted and graded; the default is hard edges and untouched colours.

    A recipe may derive looks that vary more.
    """

    smooth: bool = False
    """Anti-aliased edges."""
    digits: str = BUILT_IN
    """Name of a digit font, see `digits.FONTS`."""
    hue_deg: float = 0.0
    """Turn of all colours about the grey axis, degrees."""

    # Of a digit: width of its strokes and its own, as multiples of the usual ones, and how far it leans to
    # the right for each unit of height.
    digit_weight, digit_width, digit_slant = 1.0, 1.0, 0.0

    def __post_init__(self) -> None:
        if self.digits not in FONTS:
            raise ValueError(f"no digit font {self.digits!r}; there are {', '.join(FONTS)}")

    def canvas_size(self, size: int) -> int:
        """Pixels a side to paint, for a frame of `size` pixels a side."""
        return size

    def develop(self, canvas: Image.Image, size: int, grain_seed: int) -> Image.Image:
        """The frame, of `size` pixels a side, that becomes of a painted canvas."""
        return graded(canvas, self.hue_deg) if self.hue_deg else canvas


PLAIN = Look()

LOOKS: dict[str, Look] = {
    "plain": PLAIN,
    "smooth": Look(smooth=True),
    "hue+15": Look(hue_deg=15.0),
    "hue-15": Look(hue_deg=-15.0),
    "digits": Look(digits=EXAM_FONT),
}
"""Looks by name. `digits` is in the font that training never sees."""


def graded(image: Image.Image, hue_deg: float, saturation: float = 1.0, gain: float = 1.0) -> Image.Image:
    """An image with its hues turned, and its saturation and brightness multiplied."""
    return image.convert("RGB", _color_matrix(hue_deg, saturation, gain))


@functools.lru_cache(maxsize=64)
def _color_matrix(hue_deg: float, saturation: float, gain: float) -> tuple[float, ...]:
    """Rows of PIL's 3 x 4 matrix: into luma and chroma, a turn of the chroma, and back."""
    to_yuv = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
    # With U to the right and V upwards red lies at 103 degrees and yellow at 167: a turn takes red to yellow.
    cos, sin = (saturation * part(math.radians(hue_deg)) for part in (math.cos, math.sin))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    matrix = gain * np.linalg.inv(to_yuv) @ turn @ to_yuv
    return tuple(float(value) for value in np.hstack((matrix, np.zeros((3, 1)))).flat)
