"""Decoding every frame that leads to a moment, whatever is broken or irregular in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import Timing, VideoSource
from dynfocus_cli.video.clock import DecoderOrder, timed_packets
from dynfocus_cli.video.container import decoder_of
from dynfocus_cli.video.stream_reader import EPSILON_S, StreamReader

MAX_PACKETS_WITHOUT_FRAME = 5000
"""Minutes of video that decode to nothing; a crafted file can hold millions of such packets."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and when it is shown."""

    picture: av.VideoFrame
    pts_s: float
    """Presentation time in seconds on the container's clock."""
    intact: bool
    """False where damage since the last sync point may have reached it."""


def timed_frames(
    container: InputContainer,
    stream: VideoStream,
    timing: Timing,
    *,
    frame_interval_s: float,
    after_seek: bool = False,
) -> Iterator[TimedFrame]:
    """The frames that the stream shows from here on, in order of presentation time.

    Undecodable packets are skipped. `after_seek` begins at the first sync point met and drops the frames that
    are shown before it: an open group of pictures decodes those from references that were never read.
    Where a raw stream has no timestamps, frames follow each other by `frame_interval_s` (seconds) from 0.
    """
    sync_pts: int | None = None
    last_s: float | None = None
    waiting, fruitless, intact = after_seek, 0, True
    time_base = stream.time_base or Fraction(0)
    decoder = decoder_of(stream)
    order = DecoderOrder(time_base, frame_interval_s) if timing == "unstamped" else None
    for packet in timed_packets(container, stream, timing):
        if waiting:
            if not packet.is_keyframe:
                continue
            waiting, sync_pts = False, packet.pts
        if order is not None and packet.size:
            order.send(packet)
        try:
            pictures = decoder.decode(packet)
            intact = intact and not packet.is_corrupt
        except av.FFmpegError:
            pictures, intact = [], False
        fruitless = 0 if pictures else fruitless + 1
        if fruitless > MAX_PACKETS_WITHOUT_FRAME:
            return
        for picture in pictures:
            intact = (intact or bool(picture.key_frame)) and not picture.is_corrupt
            if order is not None:
                pts_s = order.shown_s(picture)
            elif picture.pts is None:
                pts_s = 0.0 if last_s is None else last_s + frame_interval_s
            elif sync_pts is not None and picture.pts < sync_pts:
                continue
            else:
                pts_s = float(picture.pts * time_base)
            if last_s is None or pts_s >= last_s:
                last_s = pts_s
                yield TimedFrame(picture, pts_s, intact)


class SequentialDecoder(StreamReader):
    """Decodes a video in one direction, from one moment to the next; holds two frames at most."""

    def __init__(self, source: VideoSource, hwaccel: HWAccel | None = None, workers: int = 1) -> None:
        super().__init__(source, hwaccel, workers)
        self._interval_s = 1 / source.fps if source.fps > 0 else 0.0
        self._begin(after_seek=False)

    def at(self, time_s: float) -> TimedFrame:
        """The frame on screen at `time_s`.

        Before the first frame that is the first, after the last decodable one the last. Moments only advance.

            frames at  0.0  0.1  0.3       at(0.1) -> 0.1    at(0.29) -> 0.1    at(7) -> 0.3

        Raises:
            VideoUnreadable: no frame of the video can be decoded.
        """
        target_s = self._source.start_s + time_s + EPSILON_S
        latest = self._next or self._current
        position_s = self._source.start_s if latest is None else latest.pts_s
        if not self._ended and target_s - position_s > self._seek_gap_s:
            self._seek(math.floor(target_s / self._tick), round(position_s / self._tick))
        self._decode_until(target_s)
        if self._current is None:
            raise VideoUnreadable(
                f"{self._source.path}: no frame of it can be decoded. Convert it to H.264 MP4."
            )
        return self._current

    def _begin(self, *, after_seek: bool) -> None:
        self._frames: Iterator[TimedFrame] = timed_frames(
            self._container,
            self._stream,
            self._source.timing,
            frame_interval_s=self._interval_s,
            after_seek=after_seek,
        )
        self._current: TimedFrame | None = None
        self._next: TimedFrame | None = None
        self._ended = False

    def between(self, start_s: float, end_s: float) -> Iterator[tuple[TimedFrame, float | None]]:
        """Every frame on screen from `start_s` to `end_s`, and when the next one follows on the container's
        clock, seconds; None where none does.

            frames at  0.0  0.1  0.3       between(0.15, 0.3) -> 0.1 until 0.3

        Raises:
            VideoUnreadable: no frame of the video can be decoded.
        """
        end_s += self._source.start_s - EPSILON_S
        frame = self.at(start_s)
        while True:
            if self._next is None and not self._ended:
                self._next = next(self._frames, None)
                self._ended = self._next is None
            following = self._next
            yield frame, None if following is None else following.pts_s
            if following is None or following.pts_s >= end_s:
                return
            self._current = frame = following
            self._next = None

    def _decode_until(self, target_s: float) -> None:
        """Decodes up to the frame after the one on screen at `target_s`, which becomes the current one."""
        while not self._ended:
            if self._next is None:
                self._next = next(self._frames, None)
            if self._next is None:
                self._ended = True
            elif self._current is None or self._next.pts_s <= target_s:
                self._current, self._next = self._next, None
            else:
                return

    def _first_pts(self) -> int | None:
        # Containers may claim sync points that are none; what is decoded from there is no frame of the video.
        self._current = next(self._frames, None)
        if self._current is None or not self._current.picture.key_frame:
            return None
        return self._current.picture.pts
