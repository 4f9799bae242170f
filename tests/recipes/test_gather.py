"""What is kept of the packages that materials are gathered from; nothing is fetched here."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageFont

from dynfocus_tiny.gather import SIDE, keep_fonts, keep_pictures
from dynfocus_tiny.materials import HELD_OUT_PICTURES


def test_fonts_with_digits_are_kept(tmp_path: Path) -> None:
    built_in = ImageFont.load_default(20)
    assert isinstance(built_in, ImageFont.FreeTypeFont)
    built_in.path.seek(0)  # type: ignore[attr-defined]
    package = tmp_path / "fonts-any"
    package.mkdir()
    for name in ("a.ttf", "NotoSansThai-Regular.ttf"):
        (package / name).write_bytes(built_in.path.read() or b"")  # type: ignore[attr-defined]
    (package / "damaged.otf").write_bytes(b"no font")
    assert keep_fonts(tmp_path, tmp_path / "out") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ttf"]


def test_pictures_are_scaled_and_named_after_their_wallpaper(tmp_path: Path) -> None:
    for place, side in {
        "plasma/usr/share/wallpapers/Dunes/contents/images/1920x1080.png": 900,
        "plasma/usr/share/wallpapers/Dunes/contents/images/640x480.png": 480,
        "mate/usr/share/backgrounds/mate/Forest.jpg": 500,
        "mate/usr/share/backgrounds/mate/icon.png": 64,
        "mate/usr/share/doc/Manual.png": 900,
        f"wheel/{HELD_OUT_PICTURES[0]}.png": 300,
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2 * side, side)).save(path)
    assert keep_pictures(tmp_path, tmp_path / "out") == 3
    kept = {path.stem: Image.open(path).size for path in (tmp_path / "out").iterdir()}
    assert kept == {
        "Dunes": (2 * SIDE, SIDE),
        "Forest": (2 * SIDE, SIDE),
        HELD_OUT_PICTURES[0]: (600, 300),
    }
