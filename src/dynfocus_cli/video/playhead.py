"""The sure way to the frame on screen at a moment: decode all that leads to it, whatever is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import Timing, VideoSource
from dynfocus_cli.video.clock import DecoderOrder, can_seek, timed_packets
from dynfocus_cli.video.container import decoder_of, open_container, prepare, video_stream

EPSILON_S = 1e-6
"""A frame due at the asked moment is on screen, although sums of floats may put the moment just before it."""

SEEK_GAP_S = 2.0
"""Sync points are seldom closer than this: over a shorter gap, decoding on is the shorter way."""

SEEK_MARGINS_S = (0.0, 4.0, 16.0, 64.0)
"""How much earlier to try where a seek landed too late: without an index (MPEG-TS) seeks only come near."""

MAX_PACKETS_WITHOUT_FRAME = 5000
"""Minutes of video that decode to nothing; a crafted file can hold millions of such packets."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and when it is shown."""

    picture: av.VideoFrame
    pts_s: float
    """Presentation time in seconds on the container's clock."""
    sound: bool
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
    waiting, fruitless, sound = after_seek, 0, True
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
            sound = sound and not packet.is_corrupt
        except av.FFmpegError:
            pictures, sound = [], False
        fruitless = 0 if pictures else fruitless + 1
        if fruitless > MAX_PACKETS_WITHOUT_FRAME:
            return
        for picture in pictures:
            sound = (sound or bool(picture.key_frame)) and not picture.is_corrupt
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
                yield TimedFrame(picture, pts_s, sound)


class Playhead:
    """Moves through a video in one direction, from one asked moment to the next; holds two frames at most."""

    def __init__(self, source: VideoSource, hwaccel: HWAccel | None = None, lanes: int = 1) -> None:
        self._source, self._hwaccel, self._lanes = source, hwaccel, lanes
        self._interval_s = 1 / source.fps if source.fps > 0 else 0.0
        self._seek_gap_s = SEEK_GAP_S
        self._container: InputContainer
        self._stream: VideoStream
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def at(self, time_s: float) -> TimedFrame:
        """The frame on screen at `time_s`.

        Before the first frame that is the first, after the last decodable one the last. Moments only advance.

            frames at  0.0  0.1  0.3       at(0.1) -> 0.1    at(0.29) -> 0.1    at(7) -> 0.3

        Raises:
            VideoUnreadable: no frame of the video can be decoded.
        """
        target_s = self._source.start_s + time_s + EPSILON_S
        if not self._ended and target_s - self._position_s() > self._seek_gap_s:
            self._seek(target_s)
        self._play_until(target_s)
        if self._shown is None:
            raise VideoUnreadable(
                f"{self._source.path}: no frame of it can be decoded. Convert it to H.264 MP4."
            )
        return self._shown

    def _open(self) -> None:
        self._container = open_container(self._source.path, hwaccel=self._hwaccel)
        self._stream = video_stream(self._container, self._source.stream_index)
        prepare(self._container, self._stream, lanes=self._lanes)
        if not can_seek(self._container, self._source.timing):
            self._seek_gap_s = float("inf")
        self._start_frames(after_seek=False)

    def _start_frames(self, *, after_seek: bool) -> None:
        self._frames: Iterator[TimedFrame] = timed_frames(
            self._container,
            self._stream,
            self._source.timing,
            frame_interval_s=self._interval_s,
            after_seek=after_seek,
        )
        self._shown: TimedFrame | None = None
        self._ahead: TimedFrame | None = None
        self._ended = False

    def _position_s(self) -> float:
        at = self._ahead or self._shown
        return self._source.start_s if at is None else at.pts_s

    def _play_until(self, target_s: float) -> None:
        """Shows the last frame due by `target_s`, having looked one frame further."""
        while not self._ended:
            if self._ahead is None:
                self._ahead = next(self._frames, None)
            if self._ahead is None:
                self._ended = True
            elif self._shown is None or self._ahead.pts_s <= target_s:
                self._shown, self._ahead = self._ahead, None
            else:
                return

    def _seek(self, target_s: float) -> None:
        """Goes to a sync point from which `target_s` can be reached, or to the start of the file."""
        position_s = self._position_s()
        for margin_s in SEEK_MARGINS_S:
            if self._land(max(target_s - margin_s, self._source.start_s), target_s):
                if self._position_s() <= position_s:
                    # No sync point lay in between: the next one is further on than the gap supposed.
                    self._seek_gap_s *= 2
                return
        self._container.close()
        self._open()
        self._seek_gap_s = float("inf")

    def _land(self, seek_s: float, target_s: float) -> bool:
        """Seeks; true where the first frame that decodes from there is a sync point's, and due by `target_s`.

        Containers may claim sync points that are none; what is decoded from there is no frame of the video.
        """
        time_base = self._stream.time_base
        if not time_base:
            return False
        try:
            self._container.seek(int(seek_s / time_base), stream=self._stream)
        except av.FFmpegError:
            return False
        self._start_frames(after_seek=True)
        self._shown = next(self._frames, None)
        return (
            self._shown is not None
            and self._shown.pts_s <= target_s
            and self._shown.picture.pts is not None
            and bool(self._shown.picture.key_frame)
        )
