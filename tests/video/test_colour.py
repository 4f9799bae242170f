"""Colours as an SDR display shows them; the references are computed here, from the standards' formulas."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from boxes import insert_box
from clips import write_clip
from hdr import hlg, light, pq
from matroska import change_track, element, pixel_crop
from numpy.typing import NDArray

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, probe


def first_picture(source: VideoSource, width: int = 0, height: int = 0) -> NDArray[np.uint8]:
    size = {"width": width or source.width, "height": height or source.height}
    return next(iter(decode_frames(source, [0.0], **size, fit="squash", batch_size=1))).pixels[0]


def write_picture(path: Path, picture: NDArray, format: str, codec: str, stored: str, **tags: int) -> Path:
    """A video of one picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=1)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = stored
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame.from_ndarray(picture, format=format)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def palette() -> NDArray[np.float64]:
    """Patches of many colours, as R'G'B' of BT.709 from 0 to 1; (72, 96, 3)."""
    colours = np.random.default_rng(5).uniform(0.05, 0.85, (9, 12, 3))
    colours[0] = np.linspace(0.05, 0.85, 12)[:, None]
    return np.repeat(np.repeat(colours, 8, 0), 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("transfer", "number", "bound"), [(pq, 16, 4), (hlg, 18, 4)])
def test_hdr_is_tone_mapped(tmp_path: Path, transfer, number: int, bound: float) -> None:
    sdr = palette()
    coded = np.round(np.clip(transfer(light(sdr)), 0, 1) * 65535).astype(np.uint16)
    tags = {"color_trc": number, "color_primaries": 9, "colorspace": 9, "color_range": 1}
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        stream.height, stream.width, stream.pix_fmt = 72, 96, "yuv444p10le"
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame.from_ndarray(coded, format="rgb48le").reformat(
            format="yuv444p10le", dst_colorspace=9
        )
        for name, value in tags.items():
            setattr(frame, name, value)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = first_picture(probe(path)).astype(int)
    error = np.abs(found - sdr * 255)
    assert error.mean() < bound
    unmapped = np.abs((coded // 257).astype(int) - sdr * 255)
    assert unmapped.mean() > 3 * error.mean()


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((640, 480), 5)])
def test_without_a_tag_the_size_says_which_matrix(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    red = np.zeros((size[1], size[0], 3), np.uint8)
    red[:] = (200, 40, 40)
    frame = av.VideoFrame.from_ndarray(red, format="rgb24").reformat(format="yuv444p", dst_colorspace=matrix)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        (stream.width, stream.height), stream.pix_fmt = size, "yuv444p"
        frame.colorspace = 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert np.abs(first_picture(probe(path), 64, 64).astype(int) - red[0, 0]).max() <= 2


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [("a.mov", "prores_ks", "yuva444p10le"), ("a.mov", "png", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p")],
)
def test_what_is_transparent_is_white(tmp_path: Path, name: str, codec: str, stored: str) -> None:
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[:, :48], picture[:, 48:] = (220, 20, 20, 0), (20, 200, 20, 255)
    clip = write_picture(tmp_path / name, picture, "rgba", codec, stored)
    found = first_picture(probe(clip)).astype(int)
    assert found[:, :40].min() > 245
    assert np.abs(found[:, 56:] - (20, 200, 20)).max() < 25


def test_transparency_that_was_never_filled_in_hides_nothing(tmp_path: Path) -> None:
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[:] = (220, 20, 20, 0)
    clip = write_picture(tmp_path / "a.mov", picture, "rgba", "png", "rgba")
    assert (first_picture(probe(clip)) == (220, 20, 20)).all()


def test_matroska_crops(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", [0, 40], size=(192, 72), pixel_format="yuv444p")
    whole = first_picture(probe(clip))
    change_track(clip, video=pixel_crop(left=40, right=16, bottom=8))
    source = probe(clip)
    assert (source.width, source.height, source.margins) == (136, 64, (40, 0, 16, 8))
    assert np.abs(first_picture(source).astype(int) - whole[:64, 40:176]).max() <= 2


def test_a_clean_aperture_crops(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [0, 40], size=(192, 72), pixel_format="yuv444p")
    whole = first_picture(probe(clip))
    numbers = [136, 1, 64, 1, 12, 1, -4, 1]  # width, height, and how far the centre is off, each a fraction
    insert_box(clip, b"avc1", b"clap", b"".join(number.to_bytes(4, "big", signed=True) for number in numbers))
    source = probe(clip)
    assert (source.width, source.height, source.margins) == (136, 64, (40, 0, 16, 8))
    assert np.abs(first_picture(source).astype(int) - whole[:64, 40:176]).max() <= 2


def test_dolby_vision_of_its_own_colours_is_said(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [0, 40])
    assert probe(clip).colour_warning == ""
    insert_box(clip, b"avc1", b"dvcC", bytes([1, 0, 5 << 1, 0]) + bytes(20))
    assert "Dolby Vision" in probe(clip).colour_warning


def test_dolby_vision_of_its_own_colours_in_matroska_is_said(tmp_path: Path) -> None:
    for profile, said in ((5, True), (8, False)):
        clip = write_clip(tmp_path / f"{profile}.mkv", [0, 40])
        record = element(b"\x41\xed", bytes([1, 0, profile << 1, 0]) + bytes(20))
        change_track(clip, track=element(b"\x41\xe4", element(b"\x41\xe7", b"dvcC") + record))
        assert ("Dolby Vision" in probe(clip).colour_warning) == said
