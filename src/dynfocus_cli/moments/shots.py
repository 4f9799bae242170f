"""The shots of a video: stretches without gaps, with borders on the frame at which the picture changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.moments.picture_change import HEIGHT, WIDTH
from dynfocus_cli.moments.shot_borders import BorderDetector, Transition
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.sequential_decoder import SequentialDecoder

FINER = 4
"""Pixels a side of what becomes one in a small picture: the fastest way to scale takes one of many."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a camera took in one go, or looks like it."""

    start_s: float
    """When its first frame is shown, seconds."""
    end_s: float
    """When the first frame of the next one is."""
    transition: Transition | Literal["start"]
    """How it begins: with the video, by a cut, or in the middle of a dissolve or a fade."""

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s

    @property
    def middle_s(self) -> float:
        """Half-way."""
        return (self.start_s + self.end_s) / 2


def shots(source: VideoSource, start_s: float = 0.0, end_s: float | None = None) -> tuple[Shot, ...]:
    """The shots from `start_s` to `end_s` (seconds; None: the end of the video), without gaps, at least one.

    Every frame is decoded once, and compared when it is 32 pixels wide: fewer would miss short shots. A flash
    of up to four frames, a pan, a shake, a thing that comes or goes and a change of light are no borders. A
    dissolve is one, in its middle, and so is a fade out and in, in the middle of the black or white.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded.
    """
    end_s = max(source.duration_s, start_s) if end_s is None else end_s
    detector, times_s = BorderDetector(), []
    for picture, shown_s in _small_pictures(source, start_s, end_s):
        detector.add(picture)
        times_s.append(shown_s)
    borders = [border for border in detector.finish() if start_s < times_s[border.frame] < end_s]
    moments = [start_s, *(times_s[border.frame] for border in borders), end_s]
    how: list[Transition | Literal["start"]] = ["start", *(border.transition for border in borders)]
    return tuple(
        Shot(begin, until, transition)
        for (begin, until), transition in zip(pairwise(moments), how, strict=True)
    )


def _small_pictures(
    source: VideoSource, start_s: float, end_s: float
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Every frame, (HEIGHT, WIDTH, 3) from 0 to 1 as it is stored, and when it is shown, in seconds."""
    reformatter = VideoReformatter()
    with SequentialDecoder(source) as decoder:
        for frame, _ in decoder.between(start_s, end_s):
            try:
                scaled = reformatter.reformat(
                    frame.picture,
                    FINER * WIDTH,
                    FINER * HEIGHT,
                    format="rgb24",
                    interpolation=Interpolation.FAST_BILINEAR,
                    threads=1,
                )
            except av.FFmpegError as error:
                name = frame.picture.format.name
                raise VideoUnreadable(f"{source.path}: pixel format {name} is not supported.") from error
            pixels = scaled.to_ndarray().reshape(HEIGHT, FINER, WIDTH, FINER, 3)
            small = pixels.mean((1, 3), dtype=np.float32) / np.float32(255)
            yield small, frame.pts_s - source.start_s
