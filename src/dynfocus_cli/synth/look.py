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

from dynfocus_cli.synth.backdrops import BACKDROPS, PAINTED, TEXTURES
from dynfocus_cli.synth.digits import BUILT_IN, EXAM_FONT, FONTS
from dynfocus_cli.synth.drawing import STANDARD, Drawing
from dynfocus_cli.synth.world import COLORS

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
    aspect: float = 1.0
    """Width of the picture, divided by its height."""
    frame_aspect: float | None = None
    """The same of the frame, in which the picture stands between black bars; None is the picture's own."""
    drawing: Drawing = STANDARD
    """How shapes are drawn."""
    backdrop: str = PAINTED
    """What scenes are painted on, see `backdrops.BACKDROPS`."""
    colors: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    """Colours, red, green and blue to 255, in place of the world's, by name."""

    # Of a digit: width of its strokes and its own, as multiples of the usual ones, and how far it leans to
    # the right for each unit of height.
    digit_weight, digit_width, digit_slant = 1.0, 1.0, 0.0

    def __post_init__(self) -> None:
        if self.digits not in FONTS:
            raise ValueError(f"no digit font {self.digits!r}; there are {', '.join(FONTS)}")
        if self.backdrop not in BACKDROPS:
            raise ValueError(f"no backdrop {self.backdrop!r}; there are {', '.join(BACKDROPS)}")
        for aspect in (self.aspect, self.frame_aspect):
            if aspect is not None and not 0.1 <= aspect <= 10:
                raise ValueError(f"aspects must lie between 0.1 and 10, got {aspect}")

    def picture_size(self, size: int) -> tuple[int, int]:
        """Width and height of a picture whose shorter side has `size` pixels; even where `size` is.

        size 256, aspect 16 / 9 -> 456 x 256    size 256, aspect 9 / 16 -> 256 x 456
        """
        longer = round(size * max(self.aspect, 1 / self.aspect))
        longer += (longer - size) % 2
        return (longer, size) if self.aspect >= 1 else (size, longer)

    def frame_size(self, size: int) -> tuple[int, int]:
        """Width and height of the frame around such a picture."""
        width, height = self.picture_size(size)
        if self.frame_aspect is None:
            return width, height
        if self.frame_aspect > width / height:
            around = round(height * self.frame_aspect)
            return around + (around - width) % 2, height
        around = round(width / self.frame_aspect)
        return width, around + (around - height) % 2

    def framed(self, picture: Image.Image) -> Image.Image:
        """The picture between the frame's black bars."""
        size = self.frame_size(min(picture.size))
        if size == picture.size:
            return picture
        frame = Image.new(picture.mode, size)
        frame.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
        return frame

    def color(self, name: str) -> tuple[int, int, int]:
        """Red, green and blue of a named colour, to 255."""
        return dict(self.colors).get(name, COLORS[name])

    def canvas_size(self, size: int) -> int:
        """Pixels of the shorter side to paint, for a picture whose shorter side has `size`."""
        return size

    def develop(self, canvas: Image.Image, size: int, grain_seed: int) -> Image.Image:
        """The picture, its shorter side of `size` pixels, that becomes of a painted canvas."""
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

WIDE_LOOKS: dict[str, Look] = {
    "16:9": Look(smooth=True, aspect=16 / 9),
    "4:3": Look(smooth=True, aspect=4 / 3),
    "9:16": Look(smooth=True, aspect=9 / 16),
    "bars": Look(smooth=True, aspect=4 / 3, frame_aspect=16 / 9),
    "textures": Look(smooth=True, backdrop=TEXTURES),
    "drawings": Look(
        smooth=True,
        drawing=Drawing(
            stretch=(0.95, 1.0),
            star_inner=0.5,
            ring_width=0.25,
            cross_width=0.22,
            diamond_width=0.6,
            house="door",
            tree="round",
            moon="thick",
            heart="lobes",
            fish_eye=True,
            mirrored=True,
        ),
    ),
}
"""Looks of the widened world: other proportions, grounds and drawings."""


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
