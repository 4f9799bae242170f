"""MPEG-4 with packed B-frames: DivX and Xvid put two frames into one chunk of an AVI file."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from av.packet import Packet
from av.video.stream import VideoStream

MAX_DELAY_PACKETS = 17
"""An encoder has given its first B-frames by then."""

MAX_PLACEHOLDER_BYTES = 19
"""Of a frame that is not coded. FFmpeg's bound."""

_FRAME = b"\0\0\1\xb6"
_B_FRAME = 2
"""The two bits after the start code."""
_SAYS_PACKED = re.compile(rb"(DivX\d+(?:b|Build)\d+)p")
"""User data by which an encoder says that it packs B-frames."""


def is_packed(packet: Packet[VideoStream]) -> bool:
    """Whether the packet holds two frames."""
    return bytes(packet).count(_FRAME) > 1


def unpacked(stream: VideoStream, packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    """Divides MPEG-4 packets into packets of one frame each; passes on those of other codecs.

        chunks     I  P+b  -  P+b  b  -  P       (-: a placeholder)
        packets    I  P    b  P    b  b  P

    Until its first B-frames are out, an encoder that packs them leaves out the chunk before one of two: this
    is its delay, and not a frame that is shown for longer. FFmpeg's own filter for this takes the smallest
    B-frames for placeholders.
    """
    context = stream.codec_context
    if context.codec.canonical_name != "mpeg4":
        yield from packets
        return
    if context.extradata and not context.is_open:
        context.extradata = _SAYS_PACKED.sub(rb"\1n", context.extradata)
    waiting: deque[bytes] = deque()
    delay, decoded, usual = 0, 0, 0
    for count, packet in enumerate(packets):
        data = bytes(packet)
        frames = _frames(_SAYS_PACKED.sub(rb"\1n", data))
        if packet.size and packet.dts is not None:
            step = packet.dts - delay - decoded
            usual = min(usual or step, step)
            if len(frames) > 1 and step > usual and count <= MAX_DELAY_PACKETS:
                delay += step - usual
            packet.dts -= delay
            decoded = packet.dts
        if not (packet.size and (waiting or len(frames) > 1)):
            for place, frame in enumerate(waiting, 1):
                rest = with_data(packet, frame, is_sync_point=False)
                rest.dts = decoded + place * usual
                yield rest
            yield packet
            continue
        if not (waiting and _is_placeholder(frames[0])):
            waiting.extend(frames)
        yield with_data(packet, waiting.popleft(), is_sync_point=packet.is_keyframe)


def _frames(data: bytes) -> list[bytes]:
    """The frames in a packet, the first with the headers before it."""
    starts = [match.start() for match in re.finditer(re.escape(_FRAME), data)]
    edges = [0, *starts[1:], len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _is_placeholder(frame: bytes) -> bool:
    """Whether it is an empty frame, in place of the one that came with the frame before."""
    start = frame.find(_FRAME) + len(_FRAME)
    return len(frame) <= MAX_PLACEHOLDER_BYTES and start < len(frame) and frame[start] >> 6 != _B_FRAME


def with_data(packet: Packet[VideoStream], data: bytes, *, is_sync_point: bool) -> Packet[VideoStream]:
    """A packet with other data at the time of `packet`, not marked as damaged."""
    # Python's own bytes would be freed by the decoder's threads, which then wait for each other.
    other: Packet[VideoStream] = Packet(len(data))  # type: ignore[assignment]
    other.update(data)
    other.stream = packet.stream
    if packet.stream.time_base is not None:
        other.time_base = packet.stream.time_base
    other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
    other.is_keyframe = is_sync_point
    return other
