"""Clips of textured pictures: stills, pans and dissolves, written frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FPS = 24
WIDTH, HEIGHT = 160, 90
Picture = NDArray[np.float32]


def texture(seed: int, width: int = WIDTH) -> Picture:
    """A picture of soft blotches, unlike that of any other seed."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (6, 12, 3))
    rows, columns = np.linspace(0, 4.99, HEIGHT), np.linspace(0, 10.99, width)
    low, left = rows.astype(int), columns.astype(int)
    down, right = (rows - low)[:, None, None], (columns - left)[None, :, None]
    upper = coarse[low][:, left] * (1 - right) + coarse[low][:, left + 1] * right
    lower = coarse[low + 1][:, left] * (1 - right) + coarse[low + 1][:, left + 1] * right
    return (upper * (1 - down) + lower * down).astype(np.float32)


def still(seed: int, frames: int) -> list[Picture]:
    return [texture(seed)] * frames


def pan(seed: int, frames: int, speed: int) -> list[Picture]:
    wide = texture(seed, WIDTH + speed * frames)
    return [wide[:, speed * number : speed * number + WIDTH] for number in range(frames)]


def dissolve(before: Picture, after: Picture, frames: int) -> list[Picture]:
    parts = np.arange(1, frames + 1) / (frames + 1)
    return [(before * (1 - part) + after * part).astype(np.float32) for part in parts]


BLACK = np.zeros((HEIGHT, WIDTH, 3), np.float32)
WHITE = BLACK + 255


def write(path: Path, pictures: list[Picture], fps: Fraction = Fraction(FPS)) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
