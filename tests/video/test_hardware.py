"""Decoding on a GPU, and what happens without one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_clip

from dynfocus_cli.video import decode_frames, open_hardware, probe
from dynfocus_cli.video.frame_converter import FrameConverter

EVEN = [40 * number for number in range(100)]
TOLERANCE = 2
"""Of 255, a colour value: a GPU's pictures come as NV12, whose way to RGB in swscale rounds differently."""


def has_gpu() -> bool:
    return open_hardware("auto", "h264")[0] is not None


def test_none_asks_for_nothing() -> None:
    assert open_hardware("none", "h264") == (None, None)


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU that decodes")
def test_without_a_gpu_the_processor_decodes_and_cuda_is_told() -> None:
    assert open_hardware("auto", "h264") == (None, None)
    device, warning = open_hardware("cuda", "h264")
    assert device is None
    assert warning is not None
    assert warning.startswith("`hwaccel=cuda`: this machine cannot decode h264 that way")


def test_a_codec_that_no_gpu_decodes() -> None:
    device, warning = open_hardware("cuda", "png")
    assert device is None
    assert warning is not None
    assert "png" in warning


def test_the_pictures_of_a_gpu_differ_by_rounding_alone(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN, size=(320, 240)))
    convert = FrameConverter(source, 224, 224, "center_crop")
    with av.open(source.path) as container:
        for frame in container.decode(video=0):
            planar, paired = convert(frame), convert(frame.reformat(format="nv12"))
            assert np.abs(planar.astype(int) - paired.astype(int)).max() <= TOLERANCE


@pytest.mark.gpu
def test_a_gpu_gives_the_same_frames(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN, size=(320, 240), options={"bf": "3"}))
    device, warning = open_hardware("cuda", "h264")
    assert warning is None
    how = {"width": 224, "height": 224, "fit": "squash", "batch_size": 16}
    moments = [0.09 * place for place in range(40)]
    plain, fast = (
        np.concatenate([batch.pixels for batch in decode_frames(source, moments, hwaccel=accel, **how)])  # type: ignore[arg-type]
        for accel in (None, device)
    )
    assert np.abs(plain.astype(int) - fast.astype(int)).max() <= TOLERANCE
