"""The clips of `decode.py`: textured, moving, noisy pictures, each with its number as a barcode in a corner.

Twenty seconds are encoded with the usual encoders and settings, and their packets are repeated to ten minutes
or an hour without encoding anew. So clips are cheap to make, and cost as much to decode as footage does.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FPS = 30
LOOP_S = 20
"""Seconds that are encoded; the barcode begins again with each repetition."""

BITS = 12
BAR_HEIGHT, BAR_WIDTH = 1 / 6, 3 / 4
"""The barcode's share of the picture: read from 224 x 224 pixels, whatever scaled them."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One file of the benchmark."""

    name: str
    size: tuple[int, int]
    encoder: tuple[str, ...]
    """Arguments of the ffmpeg command."""
    minutes: int

    @property
    def base(self) -> str:
        """What is repeated; clips that differ in their length alone share it."""
        return self.name.replace("-60min", "").replace("-10min", "")


_H264 = ("-c:v", "libx264", "-preset", "fast", "-crf", "23")
_HEVC = ("-c:v", "libx265", "-preset", "fast", "-crf", "26", "-x265-params", "log-level=error")
_VP9 = (
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "6",
    "-row-mt",
    "1",
    "-b:v",
    "2M",
    "-g",
    "128",
)
_AV1 = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "38", "-g", "161")

CLIPS = {
    clip.name: clip
    for clip in (
        Clip("h264-1080p-60min.mp4", (1920, 1080), _H264, 60),
        Clip("h264-1080p-10min.mp4", (1920, 1080), _H264, 10),
        Clip("hevc-720p-60min.mp4", (1280, 720), _HEVC, 60),
        Clip("hevc-720p-10min.mp4", (1280, 720), _HEVC, 10),
        Clip("vp9-720p-10min.webm", (1280, 720), _VP9, 10),
        Clip("av1-720p-10min.mp4", (1280, 720), _AV1, 10),
    )
}


def make(name: str, folder: Path) -> Path:
    """The clip's path; made where it is not there yet. Needs the ffmpeg command."""
    clip, target = CLIPS[name], folder / name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"base-{clip.base}"
    if not base.exists():
        _encode(clip, base)
    part = folder / f"part-{name}"
    repeats = clip.minutes * 60 // LOOP_S - 1
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-stream_loop", str(repeats), "-i", base, "-c", "copy", part],
        check=True,
    )
    part.rename(target)
    return target


def barcode_of(pixels: NDArray[np.uint8]) -> int:
    """The frame's number in its repetition, from a scaled RGB picture (height, width, 3)."""
    height, width = pixels.shape[:2]
    row = int(height * BAR_HEIGHT / 2)
    cell = width * BAR_WIDTH / BITS
    return sum(
        int(pixels[row - 2 : row + 3, int((bit + 0.5) * cell) - 2 : int((bit + 0.5) * cell) + 3].mean() > 127)
        << bit
        for bit in range(BITS)
    )


def _encode(clip: Clip, target: Path) -> None:
    width, height = clip.size
    part = target.with_name(f"part-{target.name}")
    with subprocess.Popen(
        [
            *("ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}"),
            *("-r", str(FPS), "-i", "-", *clip.encoder, "-pix_fmt", "yuv420p", str(part)),
        ],
        stdin=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        for number in range(FPS * LOOP_S):
            process.stdin.write(_frame(number, width, height).tobytes())
        process.stdin.close()
    if process.returncode:
        raise SystemExit(f"ffmpeg could not encode {clip.name}")
    part.rename(target)


_textures: dict[tuple[int, int], NDArray[np.uint8]] = {}


def _frame(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A window that pans over a texture, cut every ten seconds, a box that moves against it, and grain."""
    if (width, height) not in _textures:
        draw = np.random.default_rng(0)
        coarse = draw.integers(40, 216, (height // 8 * 2, width // 8 * 2), dtype=np.uint8)
        _textures[width, height] = coarse.repeat(8, 0).repeat(8, 1)
    texture = _textures[width, height]
    scene, step = divmod(number, 10 * FPS)
    top, left = (scene * 131 + step) % height, (scene * 277 + 2 * step) % width
    frame = texture[top : top + height, left : left + width].copy()
    draw = np.random.default_rng(number)
    frame ^= draw.integers(0, 8, frame.shape, dtype=np.uint8)
    box = height // 4
    x = (width - box) - (5 * step) % (width - box)
    frame[height // 2 : height // 2 + box, x : x + box] = (
        255 - frame[height // 2 : height // 2 + box, x : x + box]
    )
    bar, cell = int(height * BAR_HEIGHT), width * BAR_WIDTH / BITS
    for bit in range(BITS):
        frame[:bar, int(bit * cell) : int((bit + 1) * cell)] = 235 if number >> bit & 1 else 16
    return frame


if __name__ == "__main__":
    for name in CLIPS:
        print(make(name, Path("runs/decode-clips")))
