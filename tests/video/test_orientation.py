from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import Placement, read_barcode, write_clip
from PIL import Image, ImageCms, ImageOps

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, probe


def corners(pixels: np.ndarray) -> str:
    """The colours of the four quarters, row by row."""
    height, width = pixels.shape[:2]
    quarters = [pixels[height * y // 4, width * x // 4] for y in (1, 3) for x in (1, 3)]
    return "".join("W" if quarter.min() > 128 else "RGB"[quarter.argmax()] for quarter in quarters)


def first_picture(source: VideoSource) -> np.ndarray:
    size = {"width": source.width, "height": source.height}
    return next(iter(decode_frames(source, [0.0], **size, fit="squash", batch_size=1))).pixels[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
def test_a_picture_is_upright_as_its_exif_says(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = np.zeros((128, 192, 3), np.uint8)
    stored[:64, :96], stored[:64, 96:] = (220, 20, 20), (20, 200, 20)
    stored[64:, :96], stored[64:, 96:] = (20, 20, 220), (235, 235, 235)
    picture, exif = Image.fromarray(stored), Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    picture.save(path, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    source = probe(path)
    assert (source.height, source.width) == expected.shape[:2]
    assert corners(first_picture(source)) == corners(expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_photograph_is_read_with_all_that_stands_in_it(tmp_path: Path, suffix: str) -> None:
    """EXIF and a colour profile in one picture end a process that looks at its frame's side data."""
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (900, 1600, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path, exif=exif, icc_profile=profile, dpi=(300, 300))
    source = probe(path)
    assert (source.width, source.height, source.rotation) == (900, 1600, 90)
    (batch,) = decode_frames(source, [0.0], width=90, height=160, fit="squash", batch_size=1)
    assert batch.conditions == ("sound",)


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_a_mirrored_clip_is_told_and_shown_upright(tmp_path: Path, clockwise: int) -> None:
    clip = write_clip(tmp_path / "m.mp4", [0, 40, 80], placement=Placement(clockwise, mirrored=True))
    source = probe(clip)
    assert (source.rotation, source.mirrored) == (clockwise, True)
    assert (source.width, source.height) == ((96, 72) if clockwise % 180 == 0 else (72, 96))
    assert read_barcode(first_picture(source)) == 0
