"""Decoded pictures as the model takes them: upright, in RGB, of one size."""

from __future__ import annotations

from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.colour import has_alpha, is_high_range, on_white, source_matrix, to_standard_range
from dynfocus_cli.video.orientation import Orientation, frame_orientation
from dynfocus_cli.video.track_header import fits

Fit = Literal["squash", "center_crop", "letterbox"]

# swscale widens its bicubic kernel as it shrinks, so it does not alias; vision towers learnt from bicubic
# pictures. ACCURATE_RND and BITEXACT give the same bytes on every processor.
_INTERPOLATION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


class FrameConverter:
    """Scales and turns decoded pictures; one scaler is set up for all frames of a video."""

    def __init__(self, source: VideoSource, width: int, height: int, fit: Fit) -> None:
        self.width, self.height = width, height
        self._path, self._container = source.path, source.container
        self._orientation = Orientation(source.rotation, source.mirrored)
        self._margins = source.margins
        self._cropped = any(source.margins)
        self._scaled = (width, height)
        if fit == "center_crop":
            self._scaled = _covering((source.width, source.height), (width, height))
        elif fit == "letterbox":
            self._scaled = contained((source.width, source.height), (width, height))
        self._reformatter, self._whole = VideoReformatter(), VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        """Shape: (height, width, 3), RGB."""
        orientation = frame_orientation(picture, self._container, self._orientation)
        width, height = self._scaled[::-1] if orientation.swaps_sides else self._scaled
        try:
            scaled = self._rgb(picture, width, height)
        except av.FFmpegError as error:
            raise VideoUnreadable(
                f"{self._path}: pixel format {picture.format.name} is not supported. Convert it to H.264 MP4."
            ) from error
        # (scaled height, scaled width, 3)
        turned = orientation.upright(np.asarray(scaled.to_ndarray(), np.uint8))
        left, top = (self._scaled[0] - self.width) // 2, (self._scaled[1] - self.height) // 2
        if left < 0 or top < 0:
            return letterboxed(turned, self.width, self.height)
        return turned[top : top + self.height, left : left + self.width]

    def _rgb(self, picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """The picture scaled to that size, in rgb24."""
        if self._cropped or has_alpha(picture):
            picture = self._bare(picture)
        high_range = is_high_range(picture)
        scaled = self._reformatter.reformat(
            picture,
            width,
            height,
            # Mapped when it is small, in all its bits.
            format="rgb48le" if high_range else "rgb24",
            src_colorspace=source_matrix(picture),
            interpolation=_INTERPOLATION,
            threads=1,
        )
        return to_standard_range(scaled) if high_range else scaled

    def _bare(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The picture without margins and transparency, in RGB, not scaled."""
        transparent = has_alpha(picture)
        name = "rgba" if transparent else "rgb48le"
        whole = self._whole.reformat(
            picture,
            format=name,
            src_colorspace=source_matrix(picture),
            interpolation=_INTERPOLATION,
            threads=1,
        )
        pixels: NDArray[Any] = whole.to_ndarray()
        if fits(self._margins, picture.width, picture.height):  # its size may have changed
            left, top, right, bottom = self._margins
            pixels = pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]
        if transparent:
            pixels = on_white(pixels)
        bare = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels), format="rgb24" if transparent else "rgb48le"
        )
        bare.color_trc, bare.color_primaries = picture.color_trc, picture.color_primaries
        return bare


def letterboxed(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The picture, no larger than that, in the middle of black: (h, w, 3) to (height, width, 3)."""
    frame = np.zeros((height, width, 3), np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return frame


def contained(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of the proportions of `size` that `target` holds.

    size 1280x720, target 96x96 -> 96x54    size 480x640, target 96x96 -> 72x96
    """
    (width, height), (target_width, target_height) = size, target
    if target_width * height <= target_height * width:
        return target_width, max(1, round(height * target_width / width))
    return max(1, round(width * target_height / height)), target_height


def _covering(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The smallest (width, height) of the proportions of `size` that covers `target`.

    size 1280x720, target 224x224 -> 398x224    size 480x640, target 224x224 -> 224x298
    """
    (width, height), (target_width, target_height) = size, target
    if target_width * height >= target_height * width:
        return target_width, max(target_height, height * target_width // width)
    return max(target_width, width * target_height // height), target_height
