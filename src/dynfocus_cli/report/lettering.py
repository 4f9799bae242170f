"""Text on pictures, in whatever script: each character in a font that has it."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from PIL import ImageFont

if TYPE_CHECKING:
    from PIL import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("Arial Unicode.ttf", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc"),
    *("segoeui.ttf", "msyh.ttc", "msgothic.ttc", "malgun.ttf"),
)
"""Tried for what Pillow's own font lacks, which is all but ASCII: of Linux, macOS and Windows."""

_UNASSIGNED = "\uffff"
"""Is no character, so that every font draws its box for it."""


def draw_text(
    draw: ImageDraw.ImageDraw, left: int, top: int, text: str, size: int, colour: str, room: float
) -> None:
    """Writes `text` on one line, or as much of its beginning as fits into `room` pixels, and "…"."""
    baseline = top + _own_font(size).getmetrics()[0]
    x = float(left)
    for font, part in _runs(_shortened(text, size, room), size):
        draw.text((x, baseline), part, colour, font, anchor="ls")
        x += font.getlength(part)


def text_width(text: str, size: int) -> float:
    """Pixels that `text` takes."""
    return sum(font.getlength(part) for font, part in _runs(text, size))


def _shortened(text: str, size: int, room: float) -> str:
    if text_width(text, size) <= room:
        return text
    fits = bisect_right(range(len(text)), room, key=lambda length: text_width(text[:length] + "…", size))
    return text[: max(fits - 1, 0)] + "…"


def _runs(text: str, size: int) -> Iterator[tuple[FreeTypeFont, str]]:
    """The text in pieces, each with a font that has all of it."""
    lettered = [
        (number, char)
        for written in unicodedata.normalize("NFC", text)
        for number, char in _in_a_font(written, size)
    ]
    for number, run in groupby(lettered, key=lambda pair: pair[0]):
        yield _fonts(size)[number], "".join(char for _, char in run)


@cache
def _in_a_font(char: str, size: int) -> tuple[tuple[int, str], ...]:
    r"""A character and the number of the first font that has it; where none has, its plain form or an escape.

    Without a system's fonts: é -> e    Ж -> \u0416
    """
    for number, font in enumerate(_fonts(size)):
        if _has(font, char):
            return ((number, char),)
    plain = unicodedata.normalize("NFKD", char)[0]
    if plain != char and _has(_own_font(size), plain):
        return ((0, plain),)
    return tuple((0, spelt) for spelt in char.encode("ascii", "backslashreplace").decode())


def _has(font: FreeTypeFont, char: str) -> bool:
    """Whether it draws anything but its box."""
    drawn, box = font.getmask(char), font.getmask(_UNASSIGNED)
    return drawn.size != box.size or bytes(drawn) != bytes(box)


@cache
def _fonts(size: int) -> tuple[FreeTypeFont, ...]:
    """Pillow's own, with which a sheet looks the same on every machine, and those of the system."""
    fonts = [_own_font(size)]
    for name in SYSTEM_FONTS:
        try:
            fonts.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return tuple(fonts)


@cache
def _own_font(size: int) -> FreeTypeFont:
    font = ImageFont.load_default(size)
    assert not isinstance(font, ImageFont.ImageFont), "Pillow's wheels are built with FreeType"
    return font
