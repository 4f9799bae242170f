"""A part of a video encoded anew: it begins and ends with the frames that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
from av.filter import Graph
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clip_format import ClipFormat, Encoder, encoder_of
from dynfocus_cli.video.clip_writer import ClipSpan, ClipWriter
from dynfocus_cli.video.sequential_decoder import SequentialDecoder, TimedFrame
from dynfocus_cli.video.stream_reader import EPSILON_S
from dynfocus_cli.video.track_header import fits

CLOCK = Fraction(1, 90_000)
"""Seconds: fine enough for any rate, coarse enough for a day in 32 bits of an MP4's header."""


def encode_clip(source: VideoSource, start_s: float, end_s: float, out: Path, format: ClipFormat) -> ClipSpan:
    """Writes what is on screen from `start_s` to `end_s` (seconds of the video), encoded anew, to a new file.

    A border within a frame moves to the frame's own beginning or end, where that is no further off than the
    frames usually are; within one that is held for longer, the clip shows a part of it.

    Raises:
        VideoUnreadable: the source is gone, or nothing of the part can be decoded.
        OSError, av.FFmpegError: the file cannot be written.
    """
    with ExitStack() as opened:
        decoder = opened.enter_context(SequentialDecoder(source, workers=1))
        clip = opened.enter_context(ClipWriter(source, out, format))
        frames = _ticks(source, decoder.between(start_s, end_s), start_s, end_s)
        first = next(frames)
        encoder = encoder_of(source, format)
        prepare = _preparation(source, first.picture)
        stream = _stream(clip, encoder, source, prepare(first.picture))
        clip.begin(first.begin * CLOCK, Fraction(source.start_s + end_s))
        lengths: dict[int, int] = {}
        last = first
        for last in chain([first], frames):
            picture = prepare(last.picture)
            picture.pts, picture.time_base = last.begin - first.begin, CLOCK
            picture.pict_type = PictureType.NONE  # the encoder's own choice, not the source's
            lengths[picture.pts] = last.end - last.begin
            _write(clip, stream.encode(picture), lengths)
        _write(clip, stream.encode(None), lengths)
        return clip.finish(last.end * CLOCK)


class _Frame(NamedTuple):
    """A picture, and from when to when it is on screen, in ticks of CLOCK."""

    picture: av.VideoFrame
    begin: int
    end: int


def _ticks(
    source: VideoSource, shown: Iterable[tuple[TimedFrame, float | None]], start_s: float, end_s: float
) -> Iterator[_Frame]:
    """The frames of a part; the first and the last may be cut off."""
    usual_s = 1 / source.fps if source.fps > 0 else 0.0
    until_s = source.start_s + source.duration_s
    for frame, next_s in shown:
        begin_s, stop_s = frame.pts_s, next_s
        if stop_s is not None and round(stop_s / CLOCK) <= round(begin_s / CLOCK):
            continue  # it is never on screen
        if stop_s is None:  # the last one: until the end of the video
            stop_s = max(until_s, begin_s + usual_s / 2)
        if source.start_s + start_s - begin_s > usual_s + EPSILON_S:
            begin_s = source.start_s + start_s
        if stop_s - source.start_s - end_s > usual_s + EPSILON_S:
            stop_s = source.start_s + end_s
        begin, end = round(begin_s / CLOCK), round(stop_s / CLOCK)
        yield _Frame(frame.picture, begin, max(end, begin + 1))


def _preparation(source: VideoSource, first: av.VideoFrame) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """What makes each picture as the first one is: without margins, of one size and pixel format."""
    if not fits(source.margins, first.width, first.height) or not any(source.margins):
        return lambda picture: picture
    left, top, right, bottom = source.margins
    graph = Graph()
    size = f"{first.width - left - right}:{first.height - top - bottom}:{left}:{top}"
    buffer = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=CLOCK)
    graph.link_nodes(buffer, graph.add("crop", f"{size}:exact=1"), graph.add("buffersink")).configure()

    def without_margins(picture: av.VideoFrame) -> av.VideoFrame:
        if picture.width != first.width or picture.height != first.height or picture.format != first.format:
            picture = picture.reformat(first.width, first.height, first.format.name)
        graph.vpush(picture)
        cropped = graph.vpull()
        assert isinstance(cropped, av.VideoFrame)
        return cropped

    return without_margins


def _stream(clip: ClipWriter, encoder: Encoder, source: VideoSource, picture: av.VideoFrame) -> VideoStream:
    stream = clip.add_encoder(encoder, Fraction(source.fps or 25).limit_denominator(1001))
    context = stream.codec_context
    stream.width, stream.height = picture.width, picture.height
    stream.pix_fmt = _pixel_format(encoder, picture)
    context.time_base = CLOCK
    context.color_range, context.colorspace = picture.color_range, picture.colorspace
    context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
    if clip.tracks.pixel_aspect is not None:
        context.sample_aspect_ratio = clip.tracks.pixel_aspect
    return stream


def _pixel_format(encoder: Encoder, picture: av.VideoFrame) -> str:
    """The picture's own format where the encoder takes it; odd sizes need all colour samples."""
    known = {format.name for format in av.Codec(encoder.name, "w").video_formats or ()}
    own = picture.format.name
    odd = picture.width % 2 or picture.height % 2
    if own in known and not (odd and "420" in own):
        return own
    deep = max(component.bits for component in picture.format.components) > 8
    wanted = ("yuv444p" if odd else "yuv420p") + ("10le" if deep else "")
    return next(name for name in (wanted, "yuv444p", "yuv420p", *sorted(known)) if name in known)


def _write(clip: ClipWriter, packets: Iterable[Packet[VideoStream]], lengths: dict[int, int]) -> None:
    for packet in packets:
        if packet.pts is not None:
            packet.duration = lengths.pop(packet.pts, 0) or packet.duration
        clip.add(packet)
