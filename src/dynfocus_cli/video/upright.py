"""Decoded pictures as the model takes them: upright, in RGB, of one size."""

from __future__ import annotations

from typing import Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.orientation import Orientation, frame_orientation

Fit = Literal["squash", "center_crop"]

# swscale widens its bicubic kernel as it shrinks, so it does not alias; vision towers learnt from bicubic
# pictures. ACCURATE_RND and BITEXACT give the same bytes on every processor.
_INTERPOLATION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


class Upright:
    """Scales and turns decoded pictures; one scaler is set up for all frames of a video."""

    def __init__(self, source: VideoSource, width: int, height: int, fit: Fit) -> None:
        self.width, self.height = width, height
        self._path = source.path
        self._orientation = Orientation(source.rotation, source.mirrored)
        self._scaled = (width, height)
        if fit == "center_crop":
            self._scaled = _covering((source.width, source.height), (width, height))
        self._reformatter = VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        """Shape: (height, width, 3), RGB."""
        orientation = frame_orientation(picture, self._orientation)
        width, height = self._scaled[::-1] if orientation.swaps_sides else self._scaled
        try:
            scaled = self._reformatter.reformat(
                picture, width, height, format="rgb24", interpolation=_INTERPOLATION, threads=1
            )
        except av.FFmpegError as error:
            raise VideoUnreadable(
                f"{self._path}: pixel format {picture.format.name} is not supported. Convert it to H.264 MP4."
            ) from error
        turned = orientation.upright(
            np.asarray(scaled.to_ndarray(), np.uint8)
        )  # (scaled height, scaled width, 3)
        left, top = (self._scaled[0] - self.width) // 2, (self._scaled[1] - self.height) // 2
        return turned[top : top + self.height, left : left + self.width]


def _covering(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The smallest (width, height) of the proportions of `size` that covers `target`.

    size 1280x720, target 224x224 -> 398x224    size 480x640, target 224x224 -> 224x298
    """
    (width, height), (target_width, target_height) = size, target
    if target_width * height >= target_height * width:
        return target_width, max(target_height, height * target_width // width)
    return max(target_width, width * target_height // height), target_height
