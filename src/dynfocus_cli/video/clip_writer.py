"""A part of a video as a file that is being written: its pictures, and what goes along with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clip_format import ClipFormat, Encoder
from dynfocus_cli.video.clip_tracks import ClipTracks

_FILE_TAGS = frozenset(
    {"encoder", "timecode", "duration", "major_brand", "minor_version", "compatible_brands"}
)
"""What a container says of itself, in lower case: of another file it would not be true."""


class ClipSpan(NamedTuple):
    """What was written."""

    start_s: float
    end_s: float
    """Seconds of the source, in which its first frame begins and its last one ends."""
    left_out: tuple[str, ...]
    """Kinds of tracks of the source that the clip does not have."""


class ClipWriter:
    """Writes a clip's packets in an order that players can read in one go."""

    def __init__(self, source: VideoSource, out: Path, format: ClipFormat) -> None:
        self._source = source
        self.tracks = ClipTracks(source, format)
        try:
            self._out: OutputContainer = av.open(
                str(out), "w", format=format.muxer, options=dict(format.options)
            )
        except BaseException:
            self.tracks.close()
            raise
        self._format = format
        self._beside: Iterator[tuple[float, Packet[Stream]]] = iter(())
        self._waiting: tuple[float, Packet[Stream]] | None = None
        self._begin_s = Fraction(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tracks.close()
        try:
            self._out.close()
        except (av.FFmpegError, OSError):
            if error is None:
                raise

    def add_copy(self, stream: VideoStream) -> VideoStream:
        """The stream of pictures, for packets of `stream`."""
        copy = self._out.add_stream_from_template(stream, opaque=True)
        copy.time_base = stream.time_base
        if self._format.hides_frames and stream.codec_context.codec_tag in ("hvc1", "avc1"):
            copy.codec_context.codec_tag = stream.codec_context.codec_tag
        return self._placed(copy)

    def add_encoder(self, encoder: Encoder, rate: Fraction) -> VideoStream:
        """The stream of pictures, for frames to be encoded."""
        stream = self._out.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, VideoStream)
        return self._placed(stream)

    def begin(self, begin_s: Fraction, end_s: Fraction) -> None:
        """Begins with what the source shows at `begin_s`; what goes along is taken until `end_s` (seconds on
        the container's clock)."""
        self._begin_s = begin_s
        self.tracks.add_to(self._out)
        self._beside = self.tracks.packets(begin_s, end_s)
        self._out.metadata.update(
            {name: value for name, value in self.tracks.tags.items() if name.lower() not in _FILE_TAGS}
        )

    def add(self, packet: Packet[VideoStream]) -> None:
        """Writes a packet of pictures, after what stands before it in time."""
        at = packet.dts if packet.dts is not None else packet.pts
        self._add_beside(float((at or 0) * packet.time_base))
        self._out.mux(packet)

    def finish(self, end_s: Fraction) -> ClipSpan:
        """Writes what is left; the file is complete once the writer is closed.

        Args:
            end_s: where the last frame ends, on the container's clock.
        """
        self._add_beside(math.inf)
        start_s = self._source.start_s
        return ClipSpan(float(self._begin_s) - start_s, float(end_s) - start_s, tuple(self.tracks.left_out))

    def _placed(self, stream: VideoStream) -> VideoStream:
        source = self._source
        if source.rotation or source.mirrored:
            # PyAV counts the other way round, and mirrors after it has turned.
            degrees = source.rotation if source.mirrored else -source.rotation
            stream.set_display_rotation(degrees, hflip=source.mirrored)
        return stream

    def _add_beside(self, until_s: float) -> None:
        while True:
            self._waiting = self._waiting or next(self._beside, None)
            if self._waiting is None or self._waiting[0] > until_s:
                return
            self._out.mux(self._waiting[1])
            self._waiting = None
