"""Where a frame's time comes from: its packet's presentation time on one timeline, or the decoder's order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dynfocus_cli.types import Timing
from dynfocus_cli.video.container import keeps_times, packets
from dynfocus_cli.video.packed_frames import unpacked, with_data

MAX_REORDER = 17
"""A frame is decoded at most 16 frames after one that is shown later (H.264 and HEVC: the size of the picture
buffer). So once 17 later frames were read, all that are shown earlier were read too."""

JUMP_S = 10.0
"""Broadcast formats send pictures all the time: a longer step is a clock set anew. FFmpeg's bound."""

STEP_BACK_S = 1.0
"""Decoding times never go back. Rounding and damage may move one a little."""

PACKETS_AT_SPLICE = 4
"""Before a splice, that the demuxer may mark as damaged because the next part does not continue them."""

_BROADCAST = frozenset({"mpegts", "mpeg"})
"""Containers made for streams that are cut and joined: their clock may be any time after a splice."""

_WITHOUT_DECODING_TIMES = frozenset({"matroska,webm", "nut"})
"""Containers whose decoding times FFmpeg works out from the presentation times."""

_WITHOUT_PRESENTATION_TIMES = frozenset({"avi"})
"""Containers that number packets in decoding order. FFmpeg guesses presentation times from that, wrongly."""


def timed_packets(
    container: InputContainer, stream: VideoStream, timing: Timing
) -> Iterator[Packet[VideoStream]]:
    """The stream's packets in decoding order, with the presentation times that `timing` gives them.

    Of an `unstamped` stream these are numbers for `DecoderOrder`, not times.
    """
    read = packets(container, stream)
    if stream.codec_context.codec.canonical_name == "theora":
        read = (packet for packet in read if not _is_theora_header(packet))
    if timing == "restarting":
        return Splices(container, stream).join(read)
    if timing == "unstamped":
        return unpacked(stream, _at_their_places(container, read))
    if container.format.name in _WITHOUT_PRESENTATION_TIMES:
        return _shown_when_decoded(read)
    return read


def _is_theora_header(packet: Packet[VideoStream]) -> bool:
    """Whether it is a header: where Ogg files were joined, those of the later ones are among the frames."""
    return bytes(packet)[:1] >= b"\x80"


def can_seek(container: InputContainer, timing: Timing) -> bool:
    """Whether a packet has the same time after a seek as without: not where it depends on those before it."""
    return timing == "stamped" and keeps_times(container)


def lacks_presentation_times(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the container has decoding times alone, and frames are shown in another order."""
    return container.format.name in _WITHOUT_PRESENTATION_TIMES and stream.codec_context.has_b_frames


class Splices:
    """Makes one timeline of a clock that starts anew or jumps, as where recordings were joined.

    0 40 80 | 0 40 80  ->  0 40 80 120 160 200
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        tick = float(stream.time_base or 1)
        broadcast = container.format.name in _BROADCAST
        guessed = container.format.name in _WITHOUT_DECODING_TIMES
        self._step_back = STEP_BACK_S / tick
        self._least_step = -math.inf if guessed else -self._step_back
        self._most_step = JUMP_S / tick if broadcast and not guessed else math.inf
        self._may_be_small = guessed or broadcast
        self._interval = round(1 / float(stream.guessed_rate or 25) / tick)
        self.shift = 0
        """Added to the times in the file."""
        self._decoded: int | None = None
        self._sync: int | None = None
        """Presentation time in the file, of the latest packet that was a sync point or shown after it."""
        self._end = 0
        """On the timeline: where the latest frame ends."""
        self.at: list[int] = []
        """On the timeline: where the clock starts anew."""

    def join(self, read: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        """The packets, with times on the timeline.

        Of the last ones before a splice the demuxer marks one as damaged: it waited for its continuation.
        """
        held: deque[Packet[VideoStream]] = deque()
        for packet in read:
            splices = len(self.at)
            if packet.size:
                self.add(packet)
                packet.dts = None if packet.dts is None else packet.dts + self.shift
                packet.pts = None if packet.pts is None else packet.pts + self.shift
            if len(self.at) > splices:
                while held:
                    last = held.popleft()
                    yield with_data(last, bytes(last), is_sync_point=last.is_keyframe)
            held.append(packet)
            if len(held) > PACKETS_AT_SPLICE:
                yield held.popleft()
        yield from held

    def add(self, packet: Packet[VideoStream]) -> None:
        """Adds the next packet to the timeline, and a splice where the clock starts anew with it."""
        # Every packet of a file may pass here, and each look at one goes through PyAV: it is looked at once.
        shown, decoded = packet.pts, packet.dts
        if shown is None:
            shown = decoded
        if decoded is None:
            decoded = shown
        if shown is None or decoded is None:
            return
        if self._decoded is not None and self._is_new(packet, shown, decoded - self._decoded):
            self.at.append(self._end)
            self.shift = self._end - shown
            self._sync = None
        if not packet.is_discard:
            self._interval = packet.duration or self._interval
            end = shown + self.shift + self._interval
            if end > self._end:
                self._end = end
        self._decoded = decoded
        if self._sync is None or shown > self._sync:
            self._sync = shown

    def _is_new(self, packet: Packet[VideoStream], shown: int, step: int) -> bool:
        """Whether the clock starts anew at this packet: decoding times go back, or, where they are guesses or
        the steps are small, a sync point is shown before what was decoded before it."""
        if not self._least_step <= step <= self._most_step:
            return True
        if not self._may_be_small or self._sync is None or shown > self._sync or not packet.is_keyframe:
            return False
        return shown <= self._sync - (self._step_back if step >= 0 else 0)


class DecoderOrder:
    """Times of frames whose packets come without presentation times: the frames as they come out of the
    decoder are shown at the packets' decoding times, in order.

        packets      I0 P1 b2 b3 P4        decoding times 0 1 2 3 4
        frames       I0 b2 b3 P1 P4        shown at       0 1 2 3 4
    """

    def __init__(self, tick: Fraction, interval_s: float) -> None:
        self._tick, self._interval_s = float(tick), interval_s
        self._count = 0
        self._end_s = 0.0
        self._slots: deque[tuple[int, float]] = deque()
        """Numbers and decoding times, in seconds, of the packets whose time no frame has taken."""
        self._last_s = 0.0

    def send(self, packet: Packet[VideoStream]) -> tuple[float, float]:
        """Numbers the packet, which the decoder hands on to its frame; returns when it is decoded, and until
        when: seconds. Raw streams have no times: there packets follow each other."""
        at_s = self._end_s if packet.dts is None else packet.dts * self._tick
        self._end_s = at_s + ((packet.duration or 0) * self._tick or self._interval_s)
        packet.pts = self._count
        self._slots.append((self._count, at_s))
        self._count += 1
        return at_s, self._end_s

    def shown_s(self, picture: av.VideoFrame) -> float:
        """When the next frame out of the decoder is shown.

        The time of a packet that gives no frame is passed over: at the next sync point, or once more packets
        have followed than a decoder can hold back.
        """
        if picture.pts is not None:
            oldest = picture.pts if picture.key_frame else picture.pts - MAX_REORDER
            while len(self._slots) > 1 and self._slots[0][0] < oldest:
                self._slots.popleft()
        if self._slots:
            self._last_s = self._slots.popleft()[1]
        return self._last_s


def _at_their_places(
    container: InputContainer, read: Iterator[Packet[VideoStream]]
) -> Iterator[Packet[VideoStream]]:
    """The packets, with presentation times for decoding times where FFmpeg has guessed those (Matroska)."""
    for packet in read:
        if container.format.name in _WITHOUT_DECODING_TIMES and packet.pts is not None:
            packet.dts = packet.pts
        yield packet


def _shown_when_decoded(read: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    for packet in read:
        packet.pts = packet.dts if packet.size else packet.pts
        yield packet
