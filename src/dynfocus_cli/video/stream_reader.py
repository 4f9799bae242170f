"""One video stream of a file that is open, and seeking in it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clock import can_seek
from dynfocus_cli.video.container import decoder_of, open_stream

EPSILON_S = 1e-6
"""A frame due at a moment is on screen then, although sums of floats may put the moment just before it."""

SEEK_GAP_S = 2.0
"""Sync points are seldom closer than this: over a shorter gap, decoding on is the shorter way."""

SEEK_MARGINS_S = (0.0, 4.0, 16.0, 64.0)
"""How much earlier to try where a seek landed too late: without an index (MPEG-TS) seeks only come near."""


class StreamReader(ABC):
    """The stream that was chosen when a video was probed, opened with a decoder of its own.

    Presentation times are in ticks of the stream's clock, `time_base` seconds each.
    """

    def __init__(self, source: VideoSource, hwaccel: HWAccel | None, workers: int) -> None:
        self._source, self._hwaccel, self._workers = source, hwaccel, workers
        self._container: InputContainer
        self._open()
        self._tick = self._stream.time_base or Fraction(1)
        seeks = bool(self._stream.time_base) and can_seek(self._container, source.timing)
        self._seek_gap_s = SEEK_GAP_S if seeks else math.inf
        """Over a longer gap than this it seeks instead of reading on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @abstractmethod
    def _begin(self, *, after_seek: bool) -> None:
        """Reads from where the demuxer is now; what was read before is dropped."""

    @abstractmethod
    def _first_pts(self) -> int | None:
        """After a seek: presentation time of the sync point at which decoding can begin, or None."""

    def _open(self) -> None:
        self._container, self._stream = open_stream(
            self._source.path, self._source.stream_index, hwaccel=self._hwaccel, workers=self._workers
        )
        self._decoder = decoder_of(self._stream)

    def _seek(self, target: int, position: int) -> None:
        """Goes to a sync point shown at `target` or before, or to the start of the file.

        Args:
            position: presentation time up to which the stream was read.
        """
        start = math.floor(self._source.start_s / float(self._tick))
        for margin_s in SEEK_MARGINS_S:
            earlier = target - round(margin_s / float(self._tick))
            try:
                self._container.seek(max(earlier, start), stream=self._stream)
            except av.FFmpegError:
                continue
            self._begin(after_seek=True)
            first = self._first_pts()
            if first is not None and first <= target:
                if first <= position:
                    # No sync point lay in between: the next one is further on than the gap supposed.
                    self._seek_gap_s *= 2
                return
        self._container.close()
        self._open()
        self._begin(after_seek=False)
        self._seek_gap_s = math.inf
