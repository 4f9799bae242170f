"""Text on pictures, with the fonts that are there and without any."""

from __future__ import annotations

import unicodedata

import pytest
from PIL import Image, ImageDraw

from dynfocus_cli.report import lettering


@pytest.fixture(params=["the system's fonts", "no font of the system"])
def fonts(request, monkeypatch):
    if request.param == "no font of the system":
        monkeypatch.setattr(lettering, "SYSTEM_FONTS", ())
    forget()
    yield request.param
    forget()


def forget():
    lettering._fonts.cache_clear()
    lettering._in_a_font.cache_clear()


NAMES = ["plain.mp4", "café.mp4", unicodedata.normalize("NFD", "café.mp4"), "Straße Жук 中文 ☃ 한국.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_as_a_box(fonts, name):
    runs = list(lettering._runs(name, 24))
    assert runs
    for font, part in runs:
        assert all(lettering._has(font, char) for char in part)


def test_without_a_font_it_is_spelt(monkeypatch):
    monkeypatch.setattr(lettering, "SYSTEM_FONTS", ())
    forget()
    assert "".join(part for _, part in lettering._runs("éЖ中.mp4", 24)) == r"e\u0416\u4e2d.mp4"
    forget()


@pytest.mark.parametrize("name", [*NAMES, "Ж" * 300])
def test_a_long_name_ends_in_time(fonts, name):
    cut = lettering._shortened(name * 9, 24, 300)
    assert cut.endswith("…")
    assert lettering.text_width(cut, 24) <= 300 < lettering.text_width(cut[:-1] + name[:2] + "…", 24) + 120
    picture = Image.new("L", (360, 40))
    lettering.draw_text(ImageDraw.Draw(picture), 20, 4, name * 9, 24, "white", 300)
    left, _, right, _ = picture.getbbox()
    assert left >= 15
    assert right <= 325
