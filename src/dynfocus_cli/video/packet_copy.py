"""Which packets of a video make a part of it that can be copied without encoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile, islice, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clip_format import ClipFormat
from dynfocus_cli.video.clip_writer import ClipSpan, ClipWriter
from dynfocus_cli.video.clock import MAX_REORDER, can_seek, timed_packets
from dynfocus_cli.video.container import open_stream
from dynfocus_cli.video.stream_reader import EPSILON_S, SEEK_MARGINS_S

PACKETS_AFTER = 2 * MAX_REORDER + 1
"""Read beyond the end: among so many one group of frames that refer to each other ends, and the next."""


class NotCopied(Exception):
    """Why a part cannot be copied: a clause."""


@dataclass(frozen=True, slots=True)
class PacketRun:
    """Packets in decoding order, from a sync point to where no frame before the last one is missing.

    wanted     ......[.......].......       I: sync point, P and b: the b are decoded after the P they precede
    decoded    I P b P b P b I b P b
    copied     ^---------------------^      begins at the sync point before, ends with the last b
    """

    first: int
    """Presentation time of the sync point, ticks: reading begins there."""
    begin: int
    """The first frame shown, ticks."""
    end: int
    """Where the last one ends, ticks."""
    last: int
    """Presentation time of the last frame shown, ticks."""
    packets: int
    """From the sync point on, those included that are left out."""
    seek_to: int | None = None
    """From where the sync point was found, ticks; None: from the beginning of the file."""


class _Shown(NamedTuple):
    """When a packet's frame is shown."""

    at: int
    length: int
    hidden: bool
    """An edit list hides it."""


def packet_run(source: VideoSource, start_s: float, end_s: float) -> PacketRun:
    """The shortest run of packets that shows everything from `start_s` to `end_s` (seconds of the video).

    Raises:
        NotCopied: packets have no times of their own, or no sync point precedes the part.
        VideoUnreadable: the file is gone.
    """
    if source.timing != "stamped":
        raise NotCopied("its packets do not say when they are shown")
    with _pictures(source) as (container, stream):
        tick = stream.time_base or Fraction(1, 1000)
        start = int(Fraction(source.start_s + start_s + EPSILON_S) / tick)
        end = Fraction(source.start_s + min(end_s, source.duration_s) - EPSILON_S) / tick
        for margin_s in SEEK_MARGINS_S if can_seek(container, source.timing) else ():
            seek_to = start - round(margin_s / tick)
            _seek(container, stream, seek_to)
            if (run := _run(container, stream, start, end)) is not None:
                return replace(run, seek_to=seek_to)
    with _pictures(source) as (container, stream):
        if (run := _run(container, stream, start, end)) is not None:
            return run
    raise NotCopied("no sync point precedes it")


@contextmanager
def _pictures(source: VideoSource) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The source, of which every other stream is passed over."""
    container, stream = open_stream(source.path, source.stream_index, workers=None)
    with container:
        yield container, stream


def _seek(container: InputContainer, stream: VideoStream, ticks: int) -> None:
    """Goes to a sync point at or before `ticks`, or wherever the container can go."""
    with suppress(av.FFmpegError, OSError, OverflowError):
        container.seek(ticks, stream=stream)


def _run(container: InputContainer, stream: VideoStream, start: int, end: Fraction) -> PacketRun | None:
    """The run, from where the container is; None where no sync point comes in time."""
    read: list[_Shown] = []
    after = 0
    for packet in timed_packets(container, stream, "stamped"):
        if not packet.size:
            break
        if packet.pts is None:
            raise NotCopied("its packets do not say when they are shown")
        if packet.is_keyframe and packet.pts <= start:
            read, after = [], 0
        elif not read:
            if packet.is_keyframe:
                return None
            continue
        read.append(_Shown(packet.pts, packet.duration or 0, packet.is_discard))
        after += packet.pts >= end
        if after > PACKETS_AFTER:
            break
    return _shortest(read, end) if read else None


def _shortest(read: list[_Shown], end: Fraction) -> PacketRun | None:
    """The shortest beginning of what was read that shows all until `end` and leaves out nothing in between.

    shown at  0 4 2 1 3 8 6 5 7   end 3   ->   0 4 2 1 3, which ends where 5 begins
    """
    first = read[0].at
    shown = [each for each in read if each.at >= first and not each.hidden]
    if not shown:
        return None
    following = math.inf
    earliest_after = [following] * len(read)
    for place in reversed(range(len(read))):
        earliest_after[place] = following
        if read[place].at >= first and not read[place].hidden:
            following = min(following, read[place].at)
    last = -math.inf
    for place, each in enumerate(read):
        if each.at >= first and not each.hidden:
            last = max(last, each.at)
        if last < earliest_after[place] and earliest_after[place] >= end and last > -math.inf:
            break
    final = next(each for each in reversed(shown) if each.at == last)
    after = earliest_after[place]
    usual = median(sorted(later - earlier for earlier, later in pairwise(sorted(e.at for e in shown))) or [1])
    # The last frame of a video is held while sound goes on.
    stop = after if after < math.inf else max(final.at + (final.length or usual), end)
    return PacketRun(first, min(each.at for each in shown), round(stop), final.at, place + 1)


def copy_clip(source: VideoSource, start_s: float, end_s: float, out: Path, format: ClipFormat) -> ClipSpan:
    """Writes the packets of a part of a video, and what goes along with them, to a new file.

    Raises:
        NotCopied: its packets cannot be copied into such a file.
        VideoUnreadable: the source is gone.
        OSError, av.FFmpegError: the file cannot be written.
    """
    run = packet_run(source, start_s, end_s)
    with ExitStack() as opened:
        container, stream = opened.enter_context(_pictures(source))
        if run.seek_to is not None:
            _seek(container, stream, run.seek_to)
        clip = opened.enter_context(ClipWriter(source, out, format))
        copy = clip.add_copy(stream)
        tick = stream.time_base or Fraction(1, 1000)
        clip.begin(run.begin * tick, run.end * tick)
        for packet in _run_packets(container, stream, run):
            assert packet.pts is not None
            if packet.pts < run.begin and not format.hides_frames:
                raise NotCopied("it begins with frames that are decoded and not shown")
            packet.pts -= run.begin
            packet.dts = None if packet.dts is None else packet.dts - run.begin
            packet.stream = copy
            clip.add(packet)
        return clip.finish(run.end * tick)


def _run_packets(
    container: InputContainer, stream: VideoStream, run: PacketRun
) -> Iterator[Packet[VideoStream]]:
    """The packets of the run without those that are shown before its sync point.

    The last one lasts until the end of the run, whatever the packet says.
    """
    read = timed_packets(container, stream, "stamped")
    begun = dropwhile(lambda packet: not (packet.is_keyframe and packet.pts == run.first), read)
    for packet in islice(begun, run.packets):
        if packet.size and packet.pts is not None and packet.pts >= run.first:
            if packet.pts == run.last:
                packet.duration = run.end - run.last
            yield packet
