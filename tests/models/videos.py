"""The videos that both sides see: what the stock models are given, and what ours are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from families import FAMILIES

QUESTION = "What happens in the video?"
FPS = 10.0
"""Of the source that the frames are said to be sampled from."""


@dataclass(frozen=True, slots=True)
class Video:
    """Evenly sampled frames of a source of `FPS`."""

    frames: int
    height: int
    width: int
    step: int = 5
    """Source frames from one sampled frame to the next."""
    swapped: bool = False
    """The first and the last frame have changed places."""
    resize: bool = False
    """The frames have another size than the model takes."""

    @property
    def indices(self) -> list[int]:
        """Of the sampled frames in the source."""
        return [number * self.step for number in range(self.frames)]

    @property
    def source_frames(self) -> int:
        """Of the whole source."""
        return self.frames * self.step

    @property
    def duration(self) -> float:
        """Of the source, in seconds."""
        return self.source_frames / FPS

    @property
    def seconds(self) -> list[float]:
        """Times of the sampled frames."""
        return [index / FPS for index in self.indices]

    @property
    def pixels(self) -> np.ndarray:
        """Noise on a colour that differs from frame to frame.

        Shape:
            (T, H, W, 3), uint8.
        """
        random = np.random.default_rng(7)
        colours = random.integers(0, 160, (self.frames, 1, 1, 3))
        noise = random.integers(0, 96, (self.frames, self.height, self.width, 3))
        pixels = (colours + noise).astype(np.uint8)
        if self.swapped:
            pixels[[0, -1]] = pixels[[-1, 0]]
        return pixels


def videos(family: str) -> dict[str, Video]:
    """Case -> video. "swapped" and "slower" are "even" with one thing changed."""
    miniature = FAMILIES[family]
    side, usual = miniature.side, miniature.frames
    cases = {
        "even": Video(usual, side, side),
        "one": Video(1, side, side),
        "odd": Video(5, side, side),
        "swapped": Video(usual, side, side, swapped=True),
        "slower": Video(usual, side, side, step=250),
        "quick": Video(6, side, side, step=3),
        "resized": Video(usual, 100, 160, resize=True),
    }
    if miniature.more_frames is not None:
        cases["many"] = Video(miniature.more_frames, side, side)
    if miniature.wide is not None:
        cases["wide"] = Video(usual, side, miniature.wide)
    return cases
