"""How moments are divided among decoders that run side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.container import usable_cores

MAX_WORKERS = 4
"""Each has a decoder with pictures of its own: with more, 4K video would take gigabytes."""

MIN_SPAN_S = 20.0
"""Of the video, for each worker: sync points are up to 10 s apart, and each begins at one before its part."""

MAX_CHUNK_BATCHES = 4
"""A worker's finished batches wait for their turn, so this bounds memory however many moments there are."""

_SEEKABLE = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"})
"""Containers in which a worker gets to its part without decoding all before it."""


@dataclass(frozen=True, slots=True)
class DecodeWork:
    """Batches of moments, and which worker decodes each."""

    batches: tuple[tuple[float, ...], ...]
    """In time order."""
    worker_of: tuple[int, ...]
    """For each batch."""

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return max(self.worker_of, default=0) + 1

    def of(self, worker: int) -> list[tuple[float, ...]]:
        """The worker's batches."""
        return [batch for batch, its in zip(self.batches, self.worker_of, strict=True) if its == worker]


def divide_work(source: VideoSource, moments_s: Sequence[float], batch_size: int) -> DecodeWork:
    """Batches of at most `batch_size`, in chunks that workers take in turn; one worker where there is little
    to do.

    Frame threads scale badly when most frames are left out; decoders side by side do not wait for one
    another.

        8 moments over an hour, batches of 2, 2 cores -> workers 0 0 1 1
    """
    workers = _workers(source, moments_s)
    size = max(1, min(batch_size, math.ceil(len(moments_s) / workers)))
    batches = tuple(tuple(moments_s[at : at + size]) for at in range(0, len(moments_s), size))
    chunk = max(1, min(MAX_CHUNK_BATCHES, math.ceil(len(batches) / workers)))
    return DecodeWork(batches, tuple(place // chunk % workers for place in range(len(batches))))


def _workers(source: VideoSource, moments_s: Sequence[float]) -> int:
    if source.container not in _SEEKABLE or source.timing != "stamped" or not moments_s:
        return 1
    worth = int((moments_s[-1] - moments_s[0]) / MIN_SPAN_S)
    return max(1, min(usable_cores(), MAX_WORKERS, worth, len(moments_s)))
