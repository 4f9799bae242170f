"""How the work of decoding is shared out: parts of the video that are decoded at the same time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.cores import usable_cores

MAX_LANES = 4
"""Each has a decoder with pictures of its own: with more, 4K video would take gigabytes."""

MIN_SPAN_S = 20.0
"""Of the video, for each lane: sync points are up to 10 s apart, and a lane begins at one before its part."""

MAX_CHUNK_BATCHES = 4
"""A lane's finished batches wait for their turn, so this bounds memory however many moments there are."""

_SEEKABLE = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"})
"""Containers in which a lane gets to its part without decoding all before it."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Batches of moments, and which lane decodes each."""

    batches: tuple[tuple[float, ...], ...]
    """In time order."""
    lane_of: tuple[int, ...]
    """For each batch."""

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return max(self.lane_of, default=0) + 1

    def of(self, lane: int) -> list[tuple[float, ...]]:
        """The lane's batches."""
        return [batch for batch, its in zip(self.batches, self.lane_of, strict=True) if its == lane]


def share_out(source: VideoSource, moments_s: Sequence[float], batch_size: int) -> Lanes:
    """Batches of at most `batch_size`, in chunks that lanes take in turn; one lane where there is little to
    do.

    Frame threads scale badly when most frames are left out; decoders side by side do not wait for one
    another.

        8 moments over an hour, batches of 2, 2 cores -> lanes 0 0 1 1
    """
    lanes = _lanes(source, moments_s)
    size = max(1, min(batch_size, math.ceil(len(moments_s) / lanes)))
    batches = tuple(tuple(moments_s[at : at + size]) for at in range(0, len(moments_s), size))
    chunk = max(1, min(MAX_CHUNK_BATCHES, math.ceil(len(batches) / lanes)))
    return Lanes(batches, tuple(place // chunk % lanes for place in range(len(batches))))


def _lanes(source: VideoSource, moments_s: Sequence[float]) -> int:
    if source.container not in _SEEKABLE or source.timing != "stamped" or not moments_s:
        return 1
    cores = usable_cores()
    worth = int((moments_s[-1] - moments_s[0]) / MIN_SPAN_S)
    return max(1, min(cores, MAX_LANES, worth, len(moments_s)))
