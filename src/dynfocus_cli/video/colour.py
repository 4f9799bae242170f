"""A picture's colours as an SDR display has them: BT.709, on a white ground."""

from __future__ import annotations

import threading
from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

_UNSPECIFIED = 2
"""FFmpeg's number for a matrix, primaries or a transfer that nothing says."""

_HD_WIDTH, _SD_HEIGHT = 1280, 576
"""From this width, or above this height, players take the matrix to be BT.709 where nothing says."""

_HDR = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})
_WIDE = frozenset({ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432})
_SDR = frozenset(
    {ColorTrc.BT709, ColorTrc.SMPTE170M, ColorTrc.BT2020_10, ColorTrc.BT2020_12, ColorTrc.IEC61966_2_1}
)


def source_matrix(picture: av.VideoFrame) -> Colorspace | None:
    """The matrix from YCbCr to RGB where the picture does not name one and swscale would take that of SD."""
    if picture.colorspace != _UNSPECIFIED:
        return None
    if picture.color_primaries == ColorPrimaries.BT2020:
        return Colorspace.BT2020
    is_hd = picture.width >= _HD_WIDTH or picture.height > _SD_HEIGHT
    return Colorspace.ITU709 if is_hd else None


def is_high_range(picture: av.VideoFrame) -> bool:
    """Whether its colours must be mapped for an SDR display: HDR10 (PQ), HLG, or a wide gamut."""
    return picture.color_trc in _HDR or (picture.color_primaries in _WIDE and picture.color_trc in _SDR)


def to_standard_range(picture: av.VideoFrame) -> av.VideoFrame:
    """An rgb48le picture's colours mapped to BT.709, rgb24; one of the size that the frames are scaled to.

    swscale does it, in a perceptual colour space, with the mastering display's brightness where the file has
    it. Its table takes a second or more to make, so it is kept for pictures of the same kind.
    """
    mapper, lock = _mapper(picture.width, picture.height, picture.color_trc, picture.color_primaries)
    with lock:
        return mapper.reformat(
            picture,
            format="rgb24",
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
            dst_color_trc=ColorTrc.BT709,
            dst_color_primaries=ColorPrimaries.BT709,
            threads=1,
        )


@lru_cache(maxsize=4)
def _mapper(
    width: int, height: int, transfer: int, primaries: int
) -> tuple[VideoReformatter, threading.Lock]:
    """A scaler for pictures of this kind, and the lock under which the decoding threads share it."""
    return VideoReformatter(), threading.Lock()


def has_alpha(picture: av.VideoFrame) -> bool:
    """Whether the picture's format has transparency; not palettes, where it is seldom meant."""
    return _format_has_alpha(picture.format.name)


@lru_cache
def _format_has_alpha(name: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(name).components)


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 4) composed on white, as in a browser's page; (height, width, 3).

    Alpha that is 0 everywhere was never filled in, as in raw captures, and is taken for no alpha.
    """
    alpha = rgba[..., 3:].astype(np.uint16)
    if not alpha.any():
        return np.ascontiguousarray(rgba[..., :3])
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
