"""Paints a script's frames with PIL."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dynfocus_cli.synth.digits import BUILT_IN, draw_digit
from dynfocus_cli.synth.look import PLAIN, SUPERSAMPLING, Look
from dynfocus_cli.synth.world import COLORS, DIGITS, Background, Script, Sighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = tuple[float, float]


def render_frame(script: Script, time_s: float, size: int, look: Look = PLAIN) -> NDArray[np.uint8]:
    """The frame on screen at `time_s` seconds, `(size, size, 3)` RGB."""
    scene = script.scene_at(time_s)
    image = Image.fromarray(_paint_background(scene.background, look.canvas_size(size)))
    for seen in scene.at(time_s):
        _place(image, seen, COLORS[seen.thing.color], look)
    if look is not PLAIN:
        image = look.develop(image, size, grain_seed=script.seed << 20 | round(time_s * 1000))
    return np.asarray(image)


def coverage(seen: Sighting, size: int, look: Look = PLAIN) -> NDArray[np.uint8]:
    """The mask of one thing, `(size, size)`: 255 where it is painted. For dense labels."""
    mask = Image.new("L", (size, size))
    _place(mask, seen, 255, look)
    return np.asarray(mask)


def _place(image: Image.Image, seen: Sighting, fill: tuple[int, int, int] | int, look: Look) -> None:
    """Paints a thing on a square image, with hard or with anti-aliased edges."""
    if not look.smooth:
        _paint(ImageDraw.Draw(image), seen, image.width, fill, look)
        return
    reach = seen.actor.radius * image.width * 1.3 + 1
    x, y = _centre(seen, image.width)
    left, top = math.floor(x - reach), math.floor(y - reach)
    side = math.ceil(2 * reach) + 1
    fine = Image.new("L", (SUPERSAMPLING * side, SUPERSAMPLING * side))
    origin = (SUPERSAMPLING * left, SUPERSAMPLING * top)
    _paint(ImageDraw.Draw(fine), seen, SUPERSAMPLING * image.width, 255, look, origin)
    image.paste(fill, (left, top), fine.reduce(SUPERSAMPLING))


def _centre(seen: Sighting, size: int) -> Point:
    return (seen.column + 0.5) / 3 * size, (seen.row + 0.5) / 3 * size


@functools.lru_cache(maxsize=64)
def _paint_background(background: Background, size: int) -> NDArray[np.uint8]:
    first, second = (np.asarray(color, dtype=np.float32) for color in background.colors)
    if background.kind == "gradient":
        angle = background.texture_seed % 360 * math.pi / 180
        axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
        ramp = axis[None, :] * math.cos(angle) + axis[:, None] * math.sin(angle)
        ramp = (ramp - ramp.min()) / np.ptp(ramp)
        canvas = first + (second - first) * ramp[..., None]
    else:
        canvas = np.broadcast_to(first, (size, size, 3)).copy()
    if background.kind == "noise":
        rng = np.random.default_rng(background.texture_seed)
        grain = rng.normal(0.0, 14.0, (32, 32, 1)).astype(np.float32)
        repeats = -(-size // 32)
        canvas += np.kron(grain[..., 0], np.ones((repeats, repeats), np.float32))[:size, :size, None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _paint(
    draw: ImageDraw.ImageDraw,
    seen: Sighting,
    size: int,
    fill: tuple[int, int, int] | int,
    look: Look,
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Paints a thing of a canvas of `size` pixels a side on the part of it that begins at `origin`."""
    radius = seen.actor.radius * size
    x, y = _centre(seen, size)
    x, y = x - origin[0], y - origin[1]
    shape = seen.thing.shape
    if shape in DIGITS and look.digits == BUILT_IN:
        stroke = max(1, round(radius * 0.07 * look.digit_weight))
        font = _font(round(radius * 2.5))
        draw.text((x, y), shape, fill=fill, font=font, anchor="mm", stroke_width=stroke)
    elif shape in DIGITS:
        draw_digit(
            draw,
            look.digits,
            shape,
            (x, y),
            radius,
            fill,
            weight=look.digit_weight,
            slant=look.digit_slant,
            width=look.digit_width,
        )
    elif shape == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    elif shape == "ring":
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), outline=fill, width=max(2, round(radius * 0.36))
        )
    elif shape == "fish":
        draw.ellipse((x - radius, y - radius * 0.55, x + radius * 0.55, y + radius * 0.55), fill=fill)
        tail = ((0.35, 0.0), (1.0, -0.6), (1.0, 0.6))
        draw.polygon([(x + radius * px, y + radius * py) for px, py in tail], fill=fill)
    else:
        for outline in _OUTLINES[shape]:
            draw.polygon([(x + radius * px, y + radius * py) for px, py in outline], fill=fill)


@functools.lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6, size))


def _star(points: int, inner: float) -> list[Point]:
    turns = [(math.pi * i / points - math.pi / 2, 1.0 if i % 2 == 0 else inner) for i in range(2 * points)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in turns]


def _heart() -> list[Point]:
    angles = [2 * math.pi * i / 40 for i in range(40)]
    return [
        (
            math.sin(a) ** 3,
            -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16 + 0.1,
        )
        for a in angles
    ]


def _moon() -> list[Point]:
    outer = [math.pi * (0.25 + 1.5 * i / 24) for i in range(25)]
    inner = [math.pi * (1.65 - 1.3 * i / 24) for i in range(25)]
    return [(0.9 * math.cos(a) + 0.2, 0.9 * math.sin(a)) for a in outer] + [
        (0.65 * math.cos(a) + 0.55, 0.68 * math.sin(a)) for a in inner
    ]


# Polygons in a box from -1 to 1, y down.
_OUTLINES: dict[str, list[list[Point]]] = {
    "square": [[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]],
    "triangle": [[(0.0, -1.0), (1.0, 0.85), (-1.0, 0.85)]],
    "diamond": [[(0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)]],
    "star": [_star(5, 0.42)],
    "cross": [
        [(-0.3, -1.0), (0.3, -1.0), (0.3, 1.0), (-0.3, 1.0)],
        [(-1.0, -0.3), (1.0, -0.3), (1.0, 0.3), (-1.0, 0.3)],
    ],
    "heart": [_heart()],
    "house": [
        [(-1.0, -0.1), (0.0, -1.0), (1.0, -0.1)],
        [(-0.7, -0.1), (-0.2, -0.1), (-0.2, 1.0), (-0.7, 1.0)],
        [(0.2, -0.1), (0.7, -0.1), (0.7, 1.0), (0.2, 1.0)],
        [(-0.7, -0.1), (0.7, -0.1), (0.7, 0.35), (-0.7, 0.35)],
    ],
    "tree": [
        [(0.0, -1.0), (0.65, -0.1), (-0.65, -0.1)],
        [(0.0, -0.5), (0.85, 0.5), (-0.85, 0.5)],
        [(-0.18, 0.5), (0.18, 0.5), (0.18, 1.0), (-0.18, 1.0)],
    ],
    "moon": [_moon()],
}
