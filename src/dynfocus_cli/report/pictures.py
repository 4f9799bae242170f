"""The key frames' pictures, decoded once more for people to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from dynfocus_cli.types import FrameEvidence, Inspection
from dynfocus_cli.video.decode import decode_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KeyFramePicture:
    """A key frame as players show it: upright, with square pixels."""

    frame: FrameEvidence
    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""

    def jpeg(self, quality: int) -> bytes:
        """The picture as a JPEG file; `quality` from 1 to 95."""
        return jpeg(self.pixels, quality)


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Pixels (height, width, 3) as a JPEG file; `quality` from 1 to 95."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def key_frame_pictures(inspection: Inspection, longest: int | None = None) -> Iterator[KeyFramePicture]:
    """One picture for each key frame, in time order, a few in memory at a time.

    Args:
        longest: pixels that neither side may exceed; None keeps the displayed size.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    source, key_frames = inspection.source, inspection.key_frames
    width, height = fit_within(source.width, source.height, longest)
    batches = decode_frames(
        source,
        [frame.time_s for frame in key_frames],
        width=width,
        height=height,
        fit="squash",  # to the displayed proportions, which undoes the stored ones
        batch_size=1,
    )
    for frame, batch in zip(key_frames, batches, strict=True):
        yield KeyFramePicture(frame, batch.pixels[0])


def fit_within(width: int, height: int, longest: int | None) -> tuple[int, int]:
    """The size with the same proportions whose longer side is at most `longest`; never enlarged.

    1920x1080 within 320 -> 320x180    200x100 within 320 -> 200x100
    """
    if longest is None or max(width, height) <= longest:
        return width, height
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
