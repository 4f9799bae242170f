"""What a video file is, before any of it is sampled."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from statistics import median

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.container import keeps_times, open_container, packets, prepare, video_stream
from dynfocus_cli.video.encryption import is_encrypted_packet, looks_encrypted
from dynfocus_cli.video.orientation import frame_orientation
from dynfocus_cli.video.playhead import MAX_PACKETS_WITHOUT_FRAME
from dynfocus_cli.video.track_header import read_track_header

RATE_PACKETS = 512
"""Packets from the start whose times tell whether the frame rate is even: bounded, whatever the length."""

ALONE = 1 << 16
"""So many lanes that one thread is left for each: threads begin faster than they help with a single frame."""

MAX_FPS = 1000.0
"""Above this a rate is the container's clock, not a rate of frames."""

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


@dataclass(slots=True)
class _Stamps:
    """Presentation times of packets, in units of the stream's clock."""

    shown: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    count: int = 0
    reordered_until: int | None = None
    """Last decoding time seen: every frame shown before it has been read."""
    only_decoding_times: bool = False
    encrypted: bool = False
    """Some cannot be decoded without a key."""
    complete: bool = False
    """No packet follows."""

    def add(self, packet: Packet[VideoStream]) -> None:
        """Takes note of a packet, unless an edit list hides it or it is the empty one at the end."""
        if packet.size == 0 or packet.is_discard:
            return
        self.count += 1
        self.encrypted |= is_encrypted_packet(packet)
        self.only_decoding_times |= packet.pts is None and packet.dts is not None
        if (stamp := packet.dts if packet.pts is None else packet.pts) is not None:
            self.shown.append(stamp)
            self.durations.append(packet.duration or 0)
        self.reordered_until = packet.dts

    def deltas(self) -> list[int]:
        """Times from one frame to the next, as far as no frame in between can still be unread."""
        until = self.reordered_until
        times = sorted({stamp for stamp in self.shown if until is None or stamp <= until})
        return [after - before for before, after in pairwise(times)]


def probe(path: str | os.PathLike[str]) -> VideoSource:
    """Reads the head and the tail of a video file and decodes its first frame.

    Raises:
        VideoUnreadable: no such regular file, no video in it (text, audio, cover art), or no frame decodes.
    """
    name = os.fspath(path)
    with open_container(name) as container:
        stream = _choose_stream(container, name)
        prepare(container, stream, lanes=ALONE)
        header = read_track_header(stream)
        head, first, packet = _head(container, stream)
        if (
            header.encrypted
            or head.encrypted
            or (first is None and looks_encrypted(name, container.format.name))
        ):
            raise _encrypted(name)
        if first is None:
            raise VideoUnreadable(
                f"{name}: no frame of it can be decoded. Copy the video again or convert it to H.264 MP4."
            )
        time_base = stream.time_base or Fraction(0)
        start_s = 0.0 if first.pts is None else float(first.pts * time_base)
        deltas = head.deltas()
        fps = _average_fps(stream, deltas)
        declared_s = _declared_s(container, stream)
        duration_s = _duration_s(container, stream, head, declared_s, start_s=start_s, fps=fps)
        orientation = frame_orientation(first, packet=packet)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        width, height = max(1, round(first.width * aspect)), first.height
        return VideoSource(
            path=name,
            duration_s=duration_s,
            width=height if orientation.swaps_sides else width,
            height=width if orientation.swaps_sides else height,
            fps=fps,
            codec=stream.codec_context.codec.canonical_name,
            rotation=orientation.rotation,
            variable_frame_rate=_is_uneven(deltas),
            stream_index=stream.index,
            start_s=start_s,
            declared_duration_s=declared_s if _speaks_of_it_alone(container, stream) else None,
            container=container.format.name,
            timecode=_timecode(container, stream),
            mirrored=orientation.mirrored,
        )


def _head(container: InputContainer, stream: VideoStream) -> tuple[_Stamps, av.VideoFrame | None, bytes]:
    """The first packets' times, the first frame that they show, and the first packet's bytes."""
    head, first, begin = _Stamps(), None, b""
    for read, packet in enumerate(packets(container, stream)):
        begin = begin or bytes(packet)
        if first is None and read < MAX_PACKETS_WITHOUT_FRAME:
            first = next(iter(_decoded(packet)), None)
        if packet.size == 0:
            head.complete = True
        if head.complete or (head.count >= RATE_PACKETS and first is not None):
            break
        head.add(packet)
    return head, first, begin


def _encrypted(name: str) -> VideoUnreadable:
    return VideoUnreadable(f"{name} is encrypted (DRM). Give a copy without copy protection.")


def _decoded(packet: Packet[VideoStream]) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _choose_stream(container: InputContainer, name: str) -> VideoStream:
    """The video that players show: the default one, then the largest; a picture attached to music is none."""
    candidates = [stream for stream in container.streams.video if not stream.disposition & _PICTURES]
    if not candidates:
        held = "only audio and its cover art" if container.streams.video else "only audio"
        what = held if container.streams.audio else "no moving picture"
        raise VideoUnreadable(f"{name} holds {what}. Give a file with a video track.")
    decodable = [stream for stream in candidates if stream.codec_context is not None]
    if not decodable:
        if any(read_track_header(stream).encrypted for stream in candidates):
            raise _encrypted(name)
        raise VideoUnreadable(f"{name}: no decoder for its video track. Convert it to H.264 MP4.")
    return max(
        decodable,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.width * stream.height,
            -stream.index,
        ),
    )


def _average_fps(stream: VideoStream, deltas: list[int]) -> float:
    declared = float(stream.average_rate or stream.guessed_rate or 0)
    if 0 < declared <= MAX_FPS:
        return declared
    seconds = float(sum(deltas) * (stream.time_base or Fraction(0)))
    return min(len(deltas) / seconds, MAX_FPS) if seconds > 0 else 1.0


def _is_uneven(deltas: list[int]) -> bool:
    """Containers round presentation times to their clock: one tick up or down is still an even rate."""
    if not deltas:
        return False
    typical = median(deltas)
    tolerance = max(2.0, 0.05 * typical)
    return any(abs(delta - typical) > tolerance for delta in deltas)


def _declared_s(container: InputContainer, stream: VideoStream) -> float | None:
    """What the headers say of the video's length: the stream's, else the file's."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _timecode(container: InputContainer, stream: VideoStream) -> str:
    """The time code that the file begins with: the stream's (MOV, MP4), or the file's (MXF, MKV, AVI)."""
    tags = {**container.metadata, **stream.metadata}
    return next((value for name, value in tags.items() if name.lower() == "timecode"), "")


def _speaks_of_it_alone(container: InputContainer, stream: VideoStream) -> bool:
    """The declared duration is this stream's own; a file's may be the sound's, and count from 0."""
    return bool(stream.duration) or (len(container.streams) == 1 and not container.start_time)


def _duration_s(
    container: InputContainer,
    stream: VideoStream,
    head: _Stamps,
    declared_s: float | None,
    *,
    start_s: float,
    fps: float,
) -> float:
    """From the first displayed frame to the end of the last one, seconds.

    Declared durations may be the audio's, count from 0 or from the start, or be of the file before it was cut
    short; so the last packets are looked at, found with the declared end, and all packets failing that.
    """
    time_base = stream.time_base or Fraction(1, 1000)
    interval = median(head.deltas() or [1 / fps / float(time_base)])
    tail = head if head.complete else _tail(container, stream, start_s + (declared_s or 0.0))
    if not tail.shown and not head.complete:
        with open_container(container.name) as again:
            tail = _Stamps()
            for packet in packets(again, video_stream(again, stream.index)):
                tail.add(packet)
    if not tail.shown:
        return tail.count / fps
    end = max(
        stamp + (duration or interval) for stamp, duration in zip(tail.shown, tail.durations, strict=True)
    )
    # Where packets carry decoding times alone (AVI), frames are shown later by the decoder's delay.
    delay_s = start_s - float(min(head.shown) * time_base) if head.only_decoding_times else 0.0
    return max(0.0, float(end * time_base) + max(0.0, delay_s) - start_s)


def _tail(container: InputContainer, stream: VideoStream, end_s: float) -> _Stamps:
    """The packets from the last sync point on; none where the end is not declared or not there."""
    tail = _Stamps()
    if end_s <= 0 or not stream.time_base or not keeps_times(container):
        return tail
    try:
        container.seek(int(end_s / stream.time_base), stream=stream)
    except (av.FFmpegError, OSError, OverflowError):
        return tail
    for packet in packets(container, stream):
        tail.add(packet)
    return tail
