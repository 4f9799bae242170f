"""Presentation times of the packets of a part of a file, and what they tell of its frame rate and end."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from statistics import median

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dynfocus_cli.types import Timing
from dynfocus_cli.video.clock import DecoderOrder, Splices, timed_packets
from dynfocus_cli.video.packed_frames import is_packed


class PacketTimes:
    """Presentation times of frames, without those that an edit list hides, in ticks of the stream's clock."""

    def __init__(self, container: InputContainer, stream: VideoStream, timing: Timing = "stamped") -> None:
        self._container, self._stream, self.timing = container, stream, timing
        self._tick = stream.time_base or Fraction(1, 1000)
        self._order = DecoderOrder(self._tick, 1 / float(stream.guessed_rate or stream.average_rate or 25))
        self._splices = Splices(container, stream)
        self._may_restart = timing in ("stamped", "restarting")
        self._is_mpeg4 = stream.codec_context.codec.canonical_name == "mpeg4"
        self.shown: list[float] = []
        self.durations: list[float] = []
        """Of the same packets; 0 where the container does not say."""
        self.is_unstamped = False
        """Some packets have no presentation time, or hold more than one frame."""
        self.encrypted = False
        """Some cannot be decoded without a key."""
        self.complete = False
        """No packet follows."""
        self._latest: Packet[VideoStream] | None = None
        self._reordered_until: float | None = None
        """Last decoding time seen: every frame shown before it has been read."""

    @property
    def restarts(self) -> list[int]:
        """When the clock starts anew: ticks on the one timeline that is made of it."""
        return self._splices.at

    @property
    def end_position(self) -> int | None:
        """Where the latest packet ends in the file, bytes; None where that is not known."""
        if self._latest is None or self._latest.pos is None:
            return None
        return self._latest.pos + self._latest.size

    def read(self) -> PacketTimes:
        """Adds all packets that follow in the file."""
        timing: Timing = "unstamped" if self.timing == "unstamped" else "stamped"  # splices are found here
        for packet in timed_packets(self._container, self._stream, timing):
            self.add(packet)
        self.complete = True
        return self

    def add(self, packet: Packet[VideoStream]) -> None:
        """Adds a packet; one that an edit list hides, and the empty one at the end, add no time."""
        if packet.size == 0:
            self.complete = True
            return
        self._latest = packet
        if self._may_restart:
            self._splices.add(packet)
        if packet.is_discard:
            return
        if packet.is_keyframe:  # looking is slow, and where sync points are in the clear the file decodes
            self.encrypted |= packet.has_sidedata("encryption_info")  # of MP4's common encryption
        if self.timing == "unstamped":
            begin_s, end_s = self._order.send(packet)
            self.shown.append(begin_s / float(self._tick))
            self.durations.append((end_s - begin_s) / float(self._tick))
            return
        pts = packet.pts
        self.is_unstamped |= pts is None or (self._is_mpeg4 and is_packed(packet))
        if pts is not None:
            self.shown.append(pts + self._splices.shift)
            self.durations.append(packet.duration or 0)
        self._reordered_until = packet.dts

    def deltas(self) -> list[float]:
        """Intervals from one frame to the next, up to the first time at which a frame may still be unread."""
        until = None if self.complete else self._reordered_until
        times = sorted({stamp for stamp in self.shown if until is None or stamp <= until})
        return [after - before for before, after in pairwise(times)]

    def end(self, interval: float) -> float | None:
        """When the last frame ends, in ticks; a frame of unknown duration lasts for `interval`."""
        lengths: Iterable[float] = (duration or interval for duration in self.durations)
        return max((shown + length for shown, length in zip(self.shown, lengths, strict=True)), default=None)

    def times_s(self) -> list[float]:
        """When frames are shown, in order: seconds on the container's clock."""
        return [float(stamp * self._tick) for stamp in sorted(set(self.shown))]


def are_uneven(deltas: list[float]) -> bool:
    """Whether intervals between frames differ by more than the rounding of times to the container's clock."""
    if not deltas:
        return False
    usual = median(deltas)
    tolerance = max(2.0, 0.05 * usual)
    return any(abs(delta - usual) > tolerance for delta in deltas)
