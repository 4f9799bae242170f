"""The best frame of each moment, decoded once more for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynfocus_cli.moments.moment import Moment, Moments
from dynfocus_cli.report.pictures import fit_within, jpeg
from dynfocus_cli.video.decode import decode_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class MomentPicture:
    """A moment's best frame as players show it: upright, with square pixels."""

    moment: Moment
    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""

    def jpeg(self, quality: int) -> bytes:
        """The picture as a JPEG file; `quality` from 1 to 95."""
        return jpeg(self.pixels, quality)


def moment_pictures(moments: Moments, longest: int | None = None) -> list[MomentPicture]:
    """One picture for each of the ranked moments, in their order; each video is gone through once.

    Args:
        longest: pixels that neither side may exceed; None keeps the displayed size.

    Raises:
        VideoUnreadable: a file is gone, or no frame of it can be decoded any more.
    """
    ranked = moments.ranked
    pixels: dict[int, NDArray[np.uint8]] = {}
    for video in moments.videos:
        source = video.source
        own = [number for number, moment in enumerate(ranked) if moment.video == source.path]
        own.sort(key=lambda number: ranked[number].best_s)
        if not own:
            continue
        width, height = fit_within(source.width, source.height, longest)
        batches = decode_frames(
            source,
            [ranked[number].best_s for number in own],
            width=width,
            height=height,
            fit="squash",  # to the displayed proportions, which undoes the stored ones
            batch_size=1,
        )
        for number, batch in zip(own, batches, strict=True):
            pixels[number] = batch.pixels[0]
    return [MomentPicture(moment, pixels[number]) for number, moment in enumerate(ranked)]
