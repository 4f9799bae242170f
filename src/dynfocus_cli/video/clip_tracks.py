"""Sound and subtitles of a part of a video, copied beside its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clip_format import ClipFormat
from dynfocus_cli.video.container import open_container

LEAD_S = 2.0
"""How much earlier reading begins: sound stands up to a second or so beside its pictures in a file."""

CUE_S = 20.0
"""Likewise with subtitles: a cue that is on screen at the beginning may have come on well before."""

TRAIL_S = 5.0
"""How long reading goes on after the end, for sound that stands later in the file than its pictures."""


class ClipTracks:
    """The tracks that go along into a clip, as copies of their packets.

    A packet of sound belongs to the clip that its middle falls into, so that the clips of a video that is
    split have each packet once. Cues are cut off at the clip's borders.
    """

    def __init__(self, source: VideoSource, format: ClipFormat) -> None:
        self._format, self._timing = format, source.timing
        self._container: InputContainer = open_container(source.path)
        self._picture = self._container.streams[source.stream_index]
        self._pairs: list[tuple[Stream, Stream]] = []
        self.left_out: list[str] = []
        """Kinds of the tracks that this container cannot hold."""

    def add_to(self, out: OutputContainer) -> None:
        """Adds a stream to `out` for each track that it can hold."""
        for track in [*self._container.streams.audio, *self._container.streams.subtitles]:
            # Where the clock starts anew within the file, these are not on the pictures' timeline.
            copy = None if self._timing == "restarting" else self._copy_of(track, out)
            kind = "sound" if track.type == "audio" else "subtitles"
            if copy is not None:
                self._pairs.append((track, copy))
            elif kind not in self.left_out:
                self.left_out.append(kind)
        for stream in self._container.streams:
            if all(stream.index != track.index for track, _ in self._pairs):
                stream.discard = av.stream.Discard.all

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width to height of the source's pixels; None where it does not say."""
        assert isinstance(self._picture, VideoStream)
        return self._picture.sample_aspect_ratio

    @property
    def tags(self) -> dict[str, str]:
        """What the source says of itself: title, artist, where it was recorded."""
        return self._container.metadata

    def close(self) -> None:
        """Closes the source."""
        self._container.close()

    def packets(self, begin_s: Fraction, end_s: Fraction) -> Iterator[tuple[float, Packet[Stream]]]:
        """Packets shown from `begin_s` to `end_s` on the container's clock, with their times in the clip."""
        if not self._pairs:
            return
        copies = {track.index: copy for track, copy in self._pairs}
        lead_s = CUE_S if any(track.type == "subtitle" for track, _ in self._pairs) else LEAD_S
        with suppress(av.FFmpegError, OSError):  # then it reads from the beginning
            self._container.seek(max(int((begin_s - Fraction(lead_s)) * av.time_base), 0))
        try:
            for packet in self._container.demux([track for track, _ in self._pairs]):
                if packet.pts is None or not packet.size or not packet.time_base:
                    continue
                shown_s = packet.pts * packet.time_base
                if shown_s > end_s + Fraction(TRAIL_S):
                    return
                copy = copies[packet.stream_index]
                if self._placed(packet, copy.type, begin_s, end_s):
                    packet.stream = copy
                    yield float(shown_s - begin_s), packet
        except (av.FFmpegError, OSError, IndexError):
            return  # what follows is damaged; the pictures need not suffer

    def _copy_of(self, track: Stream, out: OutputContainer) -> Stream | None:
        if track.codec_context is None:
            return None
        try:
            copy = out.add_stream_from_template(track, opaque=True)
        except (ValueError, av.FFmpegError):
            return None
        if track.language:
            copy.metadata["language"] = track.language
        copy.disposition = track.disposition
        return copy

    def _placed(self, packet: Packet[Stream], kind: str, begin_s: Fraction, end_s: Fraction) -> bool:
        """Whether the packet is of the clip; its times are then those in the clip."""
        tick = packet.time_base
        begin, end = round(begin_s / tick), round(end_s / tick)
        assert packet.pts is not None
        shown, length = packet.pts, packet.duration or 0
        if kind == "subtitle":
            first, last = max(shown, begin), min(shown + length, end)
            if first >= last:
                return False
            packet.pts = packet.dts = first - begin
            packet.duration = last - first
            return True
        middle = shown + length / 2
        # One packet earlier, which an edit list hides, so that decoders are warmed up when the clip begins.
        before = length if self._format.hides_frames else 0
        if middle < begin - before or middle >= end or (not before and shown < begin):
            return False
        packet.pts = shown - begin
        packet.dts = None if packet.dts is None else packet.dts - begin
        return True
