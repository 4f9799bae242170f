"""Decoding only what the frames on screen at planned moments need."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import av
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.stream import VideoStream

from dynfocus_cli.types import Timing, VideoSource
from dynfocus_cli.video.av1 import ReferenceReader
from dynfocus_cli.video.clock import MAX_REORDER, timed_packets
from dynfocus_cli.video.packed_frames import with_data
from dynfocus_cli.video.sequential_decoder import TimedFrame
from dynfocus_cli.video.stream_reader import EPSILON_S, StreamReader

MAX_AHEAD_BYTES = 32 << 20
"""Of packets held undecoded. Beyond it the oldest are decoded, though a later sync point might spare them."""

_DROPPABLE = frozenset({"h264", "hevc"})
"""Codecs whose decoders can leave out frames that no other refers to. On VP9 asking for it does nothing."""

SPARSELY_DECODED: frozenset[Timing] = frozenset({"stamped", "restarting"})
"""Ways of timing by which the packets alone tell which frame is on screen."""


class IrregularStream(Exception):
    """The frame for a moment cannot be told from the packets: `SequentialDecoder` has to find it."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        super().__init__(reason)
        self.damaged = damaged
        """The file is broken here, not just written in an unusual way."""


@dataclass(frozen=True, slots=True)
class _PacketInfo:
    """A packet and what decides on it: looked up once, since each look goes through PyAV."""

    packet: Packet[VideoStream]
    pts: int
    is_sync_point: bool
    is_shown: bool
    """False where an edit list hides the frame that others may yet refer to."""
    size: int
    """Bytes."""

    def starts(self, target: int) -> bool:
        """Whether decoding for the moment `target` can begin with this packet."""
        return self.is_sync_point and self.pts <= target


@dataclass(frozen=True, slots=True)
class IrregularSpan:
    """A part of the file for `SequentialDecoder`, in seconds on the container's clock."""

    end_s: float
    """Where the next sync point is shown, or infinity."""
    pts_s: Sequence[float]
    """Presentation times of the frames known to be in it."""


class SparseDecoder(StreamReader):
    """Reads packets ahead until the frame on screen at a moment is known by its time, then decodes from the
    last sync point before it, leaving out frames that neither it nor another one refers to.

        packets     I0 P3 b1 b2 P6 b4 b5 I9 P12 b10 b11     moments 2, 10
        decoded     I0 P3 -  b2          I9 P12 b10
    """

    def __init__(self, source: VideoSource, hwaccel: HWAccel | None = None, workers: int = 1) -> None:
        super().__init__(source, hwaccel, workers)
        codec = self._decoder.codec.canonical_name
        self._droppable = codec in _DROPPABLE
        extradata = self._stream.codec_context.extradata or b""
        self._references = ReferenceReader.of(extradata) if codec == "av1" else None
        self._timed = bool(self._stream.time_base) and source.timing in SPARSELY_DECODED
        """False where a packet came without its presentation time."""
        self._target = self._last = math.floor(source.start_s / float(self._tick)) - 1
        """The moment looked for, and the presentation time of the frame that the last one came to."""
        end = math.ceil((source.start_s + source.duration_s - EPSILON_S) / float(self._tick)) - 1
        first = math.floor((source.start_s + source.first_frame_s + EPSILON_S) / float(self._tick))
        self._last_moment = max(end, first)
        """Later ones show the same: what an edit list hides at the end is not gone through."""
        self._awaited: deque[int] = deque()
        """Presentation times of the frames that moments came to and that have not come out yet."""
        self._latest: TimedFrame | None = None
        self._begin(after_seek=False)

    def find(self, moments_s: Sequence[float]) -> Iterator[TimedFrame]:
        """The frame on screen at each of the moments, in seconds; moments do not go back. Past the end it is
        the last frame.

        Raises:
            IrregularStream: the frame for the next moment cannot be told for sure; see `skip_irregular`.
        """
        self._awaited.clear()
        for moment_s, next_s in zip_longest(moments_s, moments_s[1:]):
            self._target = self._ticks(moment_s)
            if self._is_far(self._target):
                yield from self._drained()
                self._seek(self._target, self._frontier)
            self._last = self._read_until_known()
            steps = next((at for at, read in enumerate(self._ahead, 1) if read.pts == self._last), 0)
            primes = steps and not self._primed
            if primes:
                yield from self._drained()
                self._prime()
            self._awaited.append(self._last)
            packets = [self._ahead.popleft() for _ in range(steps)]
            if primes and self._references and (next_s is None or self._is_far(self._ticks(next_s))):
                packets = self._needed(packets, self._references)
            for packet in packets:
                self._send(packet, drop=self._last)
                yield from self._ready()
            yield from self._ready()
        yield from self._drained()

    def skip_irregular(self, moment_s: float) -> IrregularSpan:
        """Goes on to the first sync point shown after `moment_s`, from where `find` can begin again."""
        if not self._timed:
            return IrregularSpan(math.inf, ())
        target = self._ticks(moment_s)
        passed, end_s = list(self._sent), math.inf
        self._primed = False
        self._out.clear()
        self._sent.clear()
        try:
            while (read := self._ahead.popleft() if self._ahead else self._read()) is not None:
                if read.is_sync_point and read.pts > target:
                    self._ahead.appendleft(read)
                    end_s = self._seconds(read.pts)
                    break
                passed.append(read.pts)
        except IrregularStream:
            pass  # no times from here on
        return IrregularSpan(end_s, sorted(map(self._seconds, passed)))

    def _is_far(self, target: int) -> bool:
        """Whether a seek to `target` is worth it, compared with reading on."""
        return (target - self._frontier) * self._tick > self._seek_gap_s and not self._ended

    def _ticks(self, moment_s: float) -> int:
        """The presentation time at which a frame is on screen at `moment_s` at the latest."""
        if not self._timed:
            raise IrregularStream("frames without presentation times")
        return min(
            math.floor((self._source.start_s + moment_s + EPSILON_S) / float(self._tick)), self._last_moment
        )

    def _seconds(self, pts: int) -> float:
        return float(pts * self._tick)

    # Reading

    def _open(self) -> None:
        super()._open()
        # Damage raises instead of being painted over, so that it is known which frames to doubt.
        # Of a TIFF file it would be a tag that FFmpeg does not know.
        if self._decoder.name != "tiff":
            self._decoder.options = {**self._decoder.options, "err_detect": "explode"}

    def _begin(self, *, after_seek: bool) -> None:
        self._packets = timed_packets(self._container, self._stream, self._source.timing)
        self._ahead: deque[_PacketInfo] = deque()
        """Read and not yet decoded, in decoding order."""
        self._frontier = self._last
        """Latest presentation time read."""
        self._ended = False
        self._primed = False
        """The decoder was given all from a sync point up to `_ahead`, and can go on there."""
        self._sync: int | None = None
        """Presentation time of that sync point."""
        self._fed = 0
        """Packets that it was given since."""
        self._sent: list[int] = []
        """Presentation times, from `_last` on, that the decoder was given."""
        self._out: dict[int, av.VideoFrame] = {}
        """Decoded frames that a moment awaits, or the next one may."""

    def _read(self) -> _PacketInfo | None:
        packet = next(self._packets, None)
        if packet is None or packet.size == 0:
            self._ended = True
            return None
        if packet.pts is None:
            self._timed = False
            raise IrregularStream("frames without presentation times")
        self._frontier = max(self._frontier, packet.pts)
        return _PacketInfo(packet, packet.pts, packet.is_keyframe, not packet.is_discard, packet.size)

    def _read_until_known(self) -> int:
        """Reads on until the frame on screen at the target is known, and drops packets that it does not need.

        Returns its presentation time.
        """
        target = self._target
        starts = [place for place, read in enumerate(self._ahead) if read.starts(target)]
        for _ in range(starts[-1] if starts else 0):
            self._ahead.popleft()
            self._primed = False
        later = sum(read.pts > target for read in self._ahead)
        size = sum(read.size for read in self._ahead)
        while later < MAX_REORDER and not self._ended and (read := self._read()) is not None:
            if read.starts(target) and (self._ahead or not self._primed):
                self._ahead.clear()
                self._primed, size = False, 0
            self._ahead.append(read)
            later += read.pts > target
            size += read.size
            if size > MAX_AHEAD_BYTES:
                size -= self._ahead[0].size
                self._send_oldest()
        shown = [read.pts for read in self._ahead if read.is_shown]
        return max(pts for pts in (*self._sent, *shown, self._last) if pts <= target)

    def _send_oldest(self) -> None:
        """Decodes the first of the packets ahead, before it is known whether a moment needs it."""
        if not self._primed:
            if self._awaited:
                self._decode(None)
            self._prime()
        oldest = self._ahead.popleft()
        superseded = any(oldest.pts < read.pts <= self._target for read in self._ahead)
        self._send(oldest, drop=self._target if superseded else oldest.pts)

    def _first_pts(self) -> int | None:
        while (read := self._read()) is not None:
            if read.is_sync_point:
                self._ahead.append(read)
                return read.pts
        return None

    # Decoding

    def _prime(self) -> None:
        first = self._ahead[0]
        if not first.is_sync_point:
            raise IrregularStream("no sync point to begin at")
        self._decoder.flush_buffers()
        self._primed, self._sync, self._sent, self._fed = True, first.pts, [], 0
        self._out = {pts: out for pts, out in self._out.items() if pts in self._awaited}

    def _needed(self, packets: list[_PacketInfo], references: ReferenceReader) -> list[_PacketInfo]:
        """The packets, from the sync point on, without what the frame of the last one does not refer to, not
        even over others. The decoder cannot go on from there."""
        self._primed = False
        parts = references.needed([bytes(read.packet) for read in packets])
        return [
            read
            if len(part) == read.size
            else replace(read, packet=with_data(read.packet, part, is_sync_point=read.is_sync_point))
            for read, part in zip(packets, parts, strict=True)
        ]

    def _send(self, read: _PacketInfo, *, drop: int) -> None:
        """Decodes a packet, or leaves it out if it is shown before `drop` and no other refers to it."""
        if self._sync is not None and read.pts < self._sync:
            return  # of an open group of pictures: shown before the sync point, made from frames before it
        if read.packet.is_corrupt:
            raise IrregularStream("a packet was damaged on its way", damaged=True)
        if self._droppable:
            self._decoder.skip_frame = "NONREF" if read.pts < drop else "DEFAULT"
        if read.is_shown:
            self._sent.append(read.pts)
        if not read.packet.size:
            return
        if self._references and read.pts < drop and self._references.is_unreferenced(bytes(read.packet)):
            return
        self._fed += 1
        self._decode(read.packet)

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        """Sends a packet, or asks for what the decoder still holds; keeps what a moment may need."""
        try:
            pictures = self._decoder.decode(packet)
        except av.FFmpegError as error:
            raise IrregularStream(str(error), damaged=not self._may_lack_references()) from error
        for picture in pictures:
            if picture.pts is None:
                raise IrregularStream("a frame came out without its presentation time")
            if picture.is_corrupt:
                raise IrregularStream("a frame came out damaged", damaged=True)
            if picture.pts == self._sync and not picture.key_frame:
                raise IrregularStream("the container calls a sync point what is none")
            self._out[picture.pts] = picture
        # Full-size pictures: of those that nothing awaits, the target may still come to the last one by it.
        first = max((pts for pts in self._out if pts <= self._target), default=self._target)
        self._out = {pts: out for pts, out in self._out.items() if pts >= first or pts in self._awaited}

    def _may_lack_references(self) -> bool:
        """Whether an error may be no damage: H.264 streams name references before the sync point of an open
        group of pictures, which the decoder was never given."""
        return self._decoder.codec.canonical_name == "h264" and self._fed <= MAX_REORDER

    def _ready(self) -> Iterator[TimedFrame]:
        """The awaited frames that have come out."""
        while self._awaited and (frame := self._take(self._awaited[0])) is not None:
            self._awaited.popleft()
            yield frame
        first = self._awaited[0] if self._awaited else self._last
        self._sent = [pts for pts in self._sent if pts >= first]

    def _take(self, pts: int) -> TimedFrame | None:
        pts_s = self._seconds(pts)
        if self._latest is None or self._latest.pts_s != pts_s:
            if pts not in self._out:
                return None
            self._latest = TimedFrame(self._out.pop(pts), pts_s, intact=True)
        return self._latest

    def _drained(self) -> Iterator[TimedFrame]:
        """All awaited frames, and those that the decoder holds back with them."""
        yield from self._ready()
        if self._awaited:
            self._decode(None)
            self._primed = False
            yield from self._ready()
        if self._awaited:
            raise IrregularStream("a frame did not come out")
