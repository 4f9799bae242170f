"""Gathers fonts and pictures to train with, out of free packages of Debian and PyPI, into a folder.

    python -m dynfocus_tiny.gather materials

Needs apt-get (after `apt-get update`), dpkg-deb and pip; installs nothing. About 320 MB are fetched and 90 MB
are kept. `materials.py` says which of them are held out from training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFont, UnidentifiedImageError

from dynfocus_tiny.materials import HELD_OUT_PICTURES

FONT_PACKAGES = (
    "fonts-adf-accanthis", "fonts-anonymous-pro", "fonts-bebas-neue", "fonts-beteckna", "fonts-breip",
    "fonts-cabin", "fonts-cantarell", "fonts-comfortaa", "fonts-courier-prime", "fonts-crosextra-caladea",
    "fonts-crosextra-carlito", "fonts-dancingscript", "fonts-dejavu-core", "fonts-dosis",
    "fonts-ebgaramond", "fonts-ecolier-court", "fonts-femkeklaver", "fonts-firacode",
    "fonts-freefont-ttf", "fonts-georgewilliams", "fonts-gfs-neohellenic", "fonts-goudybookletter",
    "fonts-hack-ttf", "fonts-hermit", "fonts-hosny-amiri", "fonts-humor-sans", "fonts-inconsolata",
    "fonts-inter", "fonts-isabella", "fonts-jetbrains-mono", "fonts-junction", "fonts-jura",
    "fonts-karla", "fonts-kristi", "fonts-lato", "fonts-league-mono", "fonts-league-spartan",
    "fonts-liberation", "fonts-linuxlibertine", "fonts-lobster", "fonts-lobstertwo", "fonts-mononoki",
    "fonts-monoid", "fonts-mplus", "fonts-noto-core", "fonts-ocr-a", "fonts-ocr-b", "fonts-open-sans",
    "fonts-oxygen", "fonts-paratype", "fonts-play", "fonts-quicksand", "fonts-roboto-unhinted",
    "fonts-rufscript", "fonts-seto", "fonts-sil-charis", "fonts-smc-manjari", "fonts-sora",
    "fonts-tomsontalks", "fonts-urw-base35", "fonts-vlgothic", "fonts-vollkorn",
    "fonts-yanone-kaffeesatz",
)  # fmt: skip
PICTURE_PACKAGES = (
    "gnome-backgrounds", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "mate-backgrounds",
    "plasma-workspace-wallpapers", "ukui-wallpapers",
)  # fmt: skip
WHEELS = ("scikit-image", "scikit-learn")
"""Of these come the held-out pictures."""
SYMBOLS = ("Amiri Quran", "D050000L", "Linux Biolinum Keyboard", "Linux Libertine Initials")
"""Families without digits of their own."""
LATIN_NOTO = ("NotoSans-", "NotoSansDisplay-", "NotoSansMono-", "NotoSerif-", "NotoSerifDisplay-")
STYLES = 3
"""Files of a family that are kept."""
SIDE = 400
"""Pixels of a picture's shorter side."""
DIGITS = "0123456789"


def main() -> None:
    parser = argparse.ArgumentParser(description="Gather fonts and pictures to train with.")
    parser.add_argument("out", type=Path, help="the folder to write")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder)
        for package in (*FONT_PACKAGES, *PICTURE_PACKAGES):
            unpack_debian(package, unpacked)
        for wheel in WHEELS:
            unpack_wheel(wheel, unpacked)
        fonts, pictures = keep_fonts(unpacked, out / "fonts"), keep_pictures(unpacked, out / "pictures")
    print(f"{fonts} fonts and {pictures} pictures in {out}")


def unpack_debian(package: str, folder: Path) -> None:
    """Fetches a Debian package and unpacks it into a folder of its name; one that is not there stays out."""
    target = folder / package
    target.mkdir()
    fetched = subprocess.run(["apt-get", "download", package], cwd=target, capture_output=True, check=False)
    if fetched.returncode:
        print(f"{package} cannot be fetched and is left out", file=sys.stderr)
        return
    for archive in target.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], check=True)
        archive.unlink()


def unpack_wheel(name: str, folder: Path) -> None:
    """Fetches a wheel and unpacks the pictures in it that are held out."""
    target = folder / name
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(target), name]
    subprocess.run(command, check=True)
    for archive in target.glob("*.whl"):
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                if Path(member).stem in HELD_OUT_PICTURES and Path(member).suffix in (".png", ".jpg"):
                    wheel.extract(member, target)


def keep_fonts(folder: Path, out: Path) -> int:
    """Copies fonts whose ten digits are digits, a few styles a family; returns how many."""
    out.mkdir(parents=True)
    families: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in sorted(_with_suffix(folder, (".ttf", ".otf"))):
        if path.name.startswith("Noto") and not path.name.startswith(LATIN_NOTO):
            continue
        try:
            font = ImageFont.truetype(str(path), 40)
        except OSError:  # damaged, or in a format that FreeType does not read
            continue
        family, style = font.getname()
        if (
            family
            and (not family.startswith(SYMBOLS) or path.name.startswith(LATIN_NOTO))
            and _has_digits(font)
        ):
            families[family].append((style or "", path))
    kept = 0
    for styles in families.values():
        plain_first = sorted(styles, key=lambda one: (one[0] not in ("Regular", "Book", "Medium"), one[0]))
        for _, path in plain_first[:STYLES]:
            (out / path.name).write_bytes(path.read_bytes())
            kept += 1
    return kept


def _has_digits(font: ImageFont.FreeTypeFont) -> bool:
    missing = bytes(font.getmask("\uffff"))
    glyphs = [bytes(font.getmask(digit)) for digit in DIGITS]
    heights = [bottom - top for _, top, _, bottom in map(font.getbbox, DIGITS)]
    return len(set(glyphs)) == len(DIGITS) and missing not in glyphs and min(heights) >= 12


def keep_pictures(folder: Path, out: Path) -> int:
    """Copies pictures, scaled down; returns how many."""
    out.mkdir(parents=True)
    kept: set[str] = set()
    for path in sorted(_with_suffix(folder, (".jpg", ".jpeg", ".png", ".webp"))):
        held_out = path.stem in HELD_OUT_PICTURES
        if not held_out and not {"backgrounds", "wallpapers"} & set(path.parts):
            continue
        # A wallpaper of Plasma's is a folder of sizes, named after it.
        sizes = {"wallpapers", "images"} <= set(path.parts)
        name = Path(path.parts[path.parts.index("wallpapers") + 1] if sizes else path.name).stem
        if name in kept:
            continue
        try:
            picture = Image.open(path).convert("RGB")
        except (OSError, UnidentifiedImageError):
            continue
        scale = SIDE / min(picture.size)
        if scale < 1:
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        elif not held_out:
            continue
        picture.save(out / f"{name}.jpg", quality=90)
        kept.add(name)
    return len(kept)


def _with_suffix(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


if __name__ == "__main__":
    main()
