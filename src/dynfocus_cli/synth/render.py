"""Paints a script's frames with PIL."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dynfocus_cli.synth.backdrops import BACKDROPS
from dynfocus_cli.synth.digits import BUILT_IN, draw_digit
from dynfocus_cli.synth.drawing import Outline, Point, cut_out, ellipse, filled, placed
from dynfocus_cli.synth.look import PLAIN, SUPERSAMPLING, Look
from dynfocus_cli.synth.world import DIGITS, Background, Script, Sighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

Color = tuple[int, int, int]
CONTOURS: tuple[Color, Color] = ((12, 12, 12), (250, 250, 250))
"""Dark and light lines around things."""


def render_frame(script: Script, time_s: float, size: int, look: Look = PLAIN) -> NDArray[np.uint8]:
    """The frame on screen at `time_s` seconds, `(height, width, 3)` RGB.

    Its picture's shorter side has `size` pixels, so a square frame is `(size, size, 3)`.
    """
    scene = script.scene_at(time_s)
    width, height = look.picture_size(look.canvas_size(size))
    image = Image.fromarray(_paint_background(scene.background, look.backdrop, width, height))
    for seen in scene.at(time_s):
        _place(image, seen, look.color(seen.thing.color), look)
    if look is not PLAIN:
        image = look.develop(image, size, grain_seed=script.seed << 20 | round(time_s * 1000))
        image = look.framed(image)
    return np.asarray(image)


def coverage(seen: Sighting, size: int, look: Look = PLAIN) -> NDArray[np.uint8]:
    """The mask of one thing, as high and wide as the frame: 255 where it is painted. For dense labels."""
    mask = Image.new("L", look.picture_size(size))
    _place(mask, seen, 255, look)
    return np.asarray(look.framed(mask))


@functools.lru_cache(maxsize=64)
def _paint_background(background: Background, backdrop: str, width: int, height: int) -> NDArray[np.uint8]:
    return BACKDROPS[backdrop](background, width, height)


def _place(image: Image.Image, seen: Sighting, fill: Color | int, look: Look) -> None:
    """Paints a thing on a picture, with hard or with anti-aliased edges."""
    size = min(image.size)
    x, y = (seen.column + 0.5) / 3 * image.width, (seen.row + 0.5) / 3 * image.height
    if not look.smooth and look.drawing.is_standard():
        _paint(ImageDraw.Draw(image), seen, (x, y), size, fill, look)
        return
    reach = seen.actor.radius * size * (1.3 + look.drawing.contour) + 1
    left, top = math.floor(x - reach), math.floor(y - reach)
    side = math.ceil(2 * reach) + 1
    scale = SUPERSAMPLING if look.smooth else 1
    fine = Image.new("L", (scale * side, scale * side))
    origin = (scale * left, scale * top)
    centre = (scale * x - origin[0], scale * y - origin[1])
    _paint(ImageDraw.Draw(fine), seen, centre, scale * size, 255, look)
    mask = fine.reduce(scale)
    if image.mode == "RGB":
        assert isinstance(fill, tuple)
        if look.drawing.contour:
            lines = max(1, round(look.drawing.contour * seen.actor.radius * size))
            around = mask.filter(ImageFilter.MaxFilter(2 * lines + 1))
            image.paste(CONTOURS[look.drawing.contour_light], (left, top), around)
        if look.drawing.shading:
            image.paste(_shaded(fill, side, look.drawing.shading), (left, top), mask)
            return
    image.paste(fill, (left, top), mask)


def _shaded(color: Color, side: int, share: float) -> Image.Image:
    """A square that is lighter than a colour above and darker below."""
    gain = np.linspace(1.0 + share, 1.0 - share, side, dtype=np.float32)[:, None, None]
    pixels = np.clip(np.asarray(color, dtype=np.float32) * gain, 0, 255)
    return Image.fromarray(np.broadcast_to(pixels, (side, side, 3)).astype(np.uint8))


def _paint(
    draw: ImageDraw.ImageDraw, seen: Sighting, centre: Point, size: int, fill: Color | int, look: Look
) -> None:
    """Paints a thing around `centre`, for a picture whose shorter side has `size` pixels."""
    radius = seen.actor.radius * size
    shape, drawing = seen.thing.shape, look.drawing
    if shape in DIGITS:
        _paint_digit(draw, shape, centre, radius, fill, look)
    elif shape == "fish" and drawing.is_standard():
        x, y = centre
        draw.ellipse((x - radius, y - radius * 0.55, x + radius * 0.55, y + radius * 0.55), fill=fill)
        _paint_outline(draw, filled(shape, drawing)[1], centre, radius, fill, look)
    elif shape in ("circle", "ring"):
        x, y = centre
        if not drawing.is_standard():
            _paint_outline(draw, ellipse(0.0, 0.0, 1.0, 1.0), centre, radius, fill, look)
            if shape == "ring":
                inner = 1.0 - drawing.ring_width
                _paint_outline(draw, ellipse(0.0, 0.0, inner, inner), centre, radius, 0, look)
        elif shape == "circle":
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        else:
            width = max(2, round(radius * 0.36))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=fill, width=width)
    else:
        for outline in filled(shape, drawing):
            _paint_outline(draw, outline, centre, radius, fill, look)
        for outline in cut_out(shape, drawing):  # only on masks: the standard drawing cuts nothing out
            _paint_outline(draw, outline, centre, radius, 0, look)


def _paint_outline(
    draw: ImageDraw.ImageDraw, outline: Outline, centre: Point, radius: float, fill: Color | int, look: Look
) -> None:
    if look.drawing.is_standard():
        points = [(centre[0] + radius * x, centre[1] + radius * y) for x, y in outline]
    else:
        points = placed(outline, look.drawing, centre, radius)
    draw.polygon(points, fill=fill)


def _paint_digit(
    draw: ImageDraw.ImageDraw, digit: str, centre: Point, radius: float, fill: Color | int, look: Look
) -> None:
    if look.digits == BUILT_IN:
        stroke = max(1, round(radius * 0.07 * look.digit_weight))
        font = _font(round(radius * 2.5))
        draw.text(centre, digit, fill=fill, font=font, anchor="mm", stroke_width=stroke)
        return
    draw_digit(
        draw,
        look.digits,
        digit,
        centre,
        radius,
        fill,
        weight=look.digit_weight,
        slant=look.digit_slant,
        width=look.digit_width,
    )


@functools.lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6, size))
