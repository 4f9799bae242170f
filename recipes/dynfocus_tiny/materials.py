"""Fonts and pictures to paint clips with, from a folder of the user's: nothing of it is in the repository.

The folder has `fonts/` with TrueType and OpenType files, and `pictures/` with JPEG or PNG files. Those that
are named here are held out: no training paints with them, and exams do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFont, ImageStat

from dynfocus_cli.synth.backdrops import BACKDROPS, pictures
from dynfocus_cli.synth.digits import FONTS, Typeface

HELD_OUT_FAMILIES = (
    "Caladea",
    "Charis SIL",
    "Comfortaa",
    "Fira Code",
    "Hermit",
    "Inconsolata",
    "Karla",
    "Lato",
    "League Spartan",
    "PT Serif",
    "Play",
    "Vollkorn",
)
"""Font families, by the beginning of their names."""
HELD_OUT_PICTURES = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "china",
    "coffee",
    "coins",
    "flower",
    "grass",
    "gravel",
    "hubble_deep_field",
    "ihc",
    "moon",
    "motorcycle_left",
    "retina",
    "rocket",
)
"""scikit-image's and scikit-learn's pictures, by their files' names."""

PHOTOGRAPHS, HELD_OUT_PHOTOGRAPHS = "photographs", "held-out photographs"
"""Backdrops that `load_materials` adds."""
DIMMED, EXAM_DIMMED = (0.35, 1.0), (0.5, 0.9)
"""Share of a picture's brightness that is left of it behind things."""
LEAST_CONTRAST = 8.0
"""Standard deviation of grey levels below which a picture shows nothing."""


@dataclass(frozen=True, slots=True)
class Materials:
    """What was found in a folder, by the names of `FONTS` and `BACKDROPS`."""

    fonts: tuple[str, ...] = ()
    held_out_fonts: tuple[str, ...] = ()
    backdrop: str | None = None
    """None: the folder has no pictures."""
    held_out_backdrop: str | None = None


def load_materials(folder: Path) -> Materials:
    """Adds a folder's fonts and pictures to those that the generator can paint with."""
    fonts: list[str] = []
    held_out_fonts: list[str] = []
    for path in _files(folder / "fonts", (".ttf", ".otf")):
        family = ImageFont.truetype(str(path), 20).getname()[0] or path.stem
        name = f"file:{path.name}"
        FONTS[name] = Typeface(path)
        (held_out_fonts if family.startswith(HELD_OUT_FAMILIES) else fonts).append(name)
    files = [path for path in _files(folder / "pictures", (".jpg", ".png")) if _shows_something(path)]
    held_out = [path for path in files if path.stem in HELD_OUT_PICTURES]
    learned = [path for path in files if path.stem not in HELD_OUT_PICTURES]
    for name, paths, dimmed in (
        (PHOTOGRAPHS, learned, DIMMED),
        (HELD_OUT_PHOTOGRAPHS, held_out, EXAM_DIMMED),
    ):
        if paths:
            BACKDROPS[name] = pictures(paths, dimmed)
    return Materials(
        tuple(fonts),
        tuple(held_out_fonts),
        PHOTOGRAPHS if learned else None,
        HELD_OUT_PHOTOGRAPHS if held_out else None,
    )


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _shows_something(path: Path) -> bool:
    with Image.open(path) as picture:
        return ImageStat.Stat(picture.convert("L")).stddev[0] >= LEAST_CONTRAST
