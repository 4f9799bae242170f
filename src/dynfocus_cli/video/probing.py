"""What a video file is, before any of it is sampled."""

from __future__ import annotations

import os
from dataclasses import asdict
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import Timing, VideoSource
from dynfocus_cli.video.clock import timed_packets
from dynfocus_cli.video.container import open_container, prepare, text_streams
from dynfocus_cli.video.orientation import frame_orientation
from dynfocus_cli.video.packet_times import PacketTimes
from dynfocus_cli.video.sequential_decoder import MAX_PACKETS_WITHOUT_FRAME
from dynfocus_cli.video.timeline import early_timing, read_timeline
from dynfocus_cli.video.track_header import NO_MARGINS, Margins, TrackHeader, fits, read_track_header
from dynfocus_cli.video.unreadable import encrypted, not_decoded

_DOLBY_VISION = (
    "This is Dolby Vision of profile 5, whose colours FFmpeg cannot convert: they are wrong, as green. "
    "Give a version in HDR10 or SDR."
)

RATE_PACKETS = 512
"""Packets from the start whose times tell whether the frame rate is even: bounded, whatever the length."""

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


def probe(path: str | os.PathLike[str]) -> VideoSource:
    """Reads the head and the tail of a video file and decodes its first frame.

    Raises:
        VideoUnreadable: no such regular file, no video in it (text, audio, cover art), or no frame decodes.
    """
    name = os.fspath(path)
    with open_container(name) as container:
        stream = _choose_stream(container, name)
        prepare(container, stream)
        header = read_track_header(stream)
        head, first, packet = _head(container, stream, early_timing(container, stream, header.edits))
        if header.encrypted or head.encrypted:
            raise encrypted(name)
        if first is None:
            raise not_decoded(name, container.format.name)
        timeline = read_timeline(container, stream, head, first.pts)
        orientation = frame_orientation(first, container.format.name, packet=packet)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        left, top, right, bottom = margins = _margins(first, header)
        width, height = max(1, round((first.width - left - right) * aspect)), first.height - top - bottom
        return VideoSource(
            path=name,
            width=height if orientation.swaps_sides else width,
            height=width if orientation.swaps_sides else height,
            codec=stream.codec_context.codec.canonical_name,
            rotation=orientation.rotation,
            stream_index=stream.index,
            container=container.format.name,
            timecode=_timecode(container, stream),
            mirrored=orientation.mirrored,
            margins=margins,
            colour_warning=_DOLBY_VISION if header.dolby_vision_only else "",
            has_text_track=bool(text_streams(container)),
            **asdict(timeline),
        )


def _head(
    container: InputContainer, stream: VideoStream, timing: Timing
) -> tuple[PacketTimes, av.VideoFrame | None, bytes]:
    """The first packets' times, the first frame that they show, and the first packet's bytes."""
    head, first, begin = PacketTimes(container, stream, timing), None, b""
    for read, packet in enumerate(timed_packets(container, stream, timing)):
        begin = begin or bytes(packet)
        if first is None and read < MAX_PACKETS_WITHOUT_FRAME:
            first = next(iter(_decoded(stream, packet)), None)
        if head.complete or (len(head.shown) >= RATE_PACKETS and first is not None):
            break
        head.add(packet)
    return head, first, begin


def _margins(first: av.VideoFrame, header: TrackHeader) -> Margins:
    """The header's margins, or none where they would leave nothing of the picture."""
    return header.margins if fits(header.margins, first.width, first.height) else NO_MARGINS


def _decoded(stream: VideoStream, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
    try:
        return stream.decode(packet)
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
            raise encrypted(name)
        raise VideoUnreadable(f"{name}: no decoder for its video track. Convert it to H.264 MP4.")
    return max(
        decodable,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            stream.width * stream.height,
            -stream.index,
        ),
    )


def _timecode(container: InputContainer, stream: VideoStream) -> str:
    """The time code that the file begins with: the stream's (MOV, MP4), or the file's (MXF, MKV, AVI)."""
    tags = {**container.metadata, **stream.metadata}
    return next((value for name, value in tags.items() if name.lower() == "timecode"), "")
