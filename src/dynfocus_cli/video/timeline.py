"""When a video begins, when it ends, and where its frames' times come from: decided once, before decoding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import median

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from dynfocus_cli.types import Timing
from dynfocus_cli.video.clock import JUMP_S, lacks_presentation_times
from dynfocus_cli.video.container import keeps_times, open_container, open_stream, packets, select
from dynfocus_cli.video.joined_files import is_joined_after
from dynfocus_cli.video.packet_times import PacketTimes, are_uneven
from dynfocus_cli.video.sequential_decoder import timed_frames
from dynfocus_cli.video.timecode import format_timecode
from dynfocus_cli.video.transport_stream import clock_is_even

MAX_FPS = 1000.0
"""Above this a rate is the container's clock, not a rate of frames."""

LEAD_S = 0.1
"""Sound begins up to this much before the picture for technical reasons: its encoder needs to warm up."""

TRAIL_S = 1.0
"""Sound ends up to this much after the picture by chance: its blocks do not divide a video evenly."""

HELD_S = 1.0
"""A frame shown for this long is held, as in screen recordings: it matters when others are shown."""

RARER = 0.8
"""Share of the usual frames; where fewer come on average, some are held beyond the packets looked at."""

MAX_SCAN_BYTES = 1 << 30
"""Of a file read whole to know when each frame is shown: two seconds."""

MIN_SAMPLED_BYTES = 1 << 26
"""A transport stream below this size is read whole to see its clock: a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The fields of `VideoSource` that have to do with time."""

    timing: Timing
    start_s: float
    first_frame_s: float
    duration_s: float
    fps: float
    fastest_fps: float
    variable_frame_rate: bool
    frame_times_s: tuple[float, ...]
    restarts_s: tuple[float, ...]
    declared_duration_s: float | None
    joined_warning: str


def early_timing(container: InputContainer, stream: VideoStream, edits: int) -> Timing:
    """The way of timing that the headers speak for; packets may show that it is another.

    Args:
        edits: parts of the media that an edit list plays.
    """
    if lacks_presentation_times(container, stream):
        return "unstamped"
    return "edited" if edits > 1 else "stamped"


def read_timeline(
    container: InputContainer, stream: VideoStream, head: PacketTimes, first_pts: int | None
) -> Timeline:
    """Reads as many packets as it takes to know when frames are shown and when the video ends.

    Args:
        head: the first packets.
        first_pts: presentation time of the first frame.
    """
    tick = float(stream.time_base or Fraction(1, 1000))
    picture_s = (first_pts or 0) * tick
    declared_s = _declared_s(container, stream)
    pictures = _Pictures(container, stream, head, picture_s + (declared_s or 0.0))
    rates = pictures.rates()
    if rates.holds_frames and pictures.whole is None and container.size <= MAX_SCAN_BYTES:
        pictures.read_all()
        rates = pictures.rates()
    if pictures.timing == "unstamped":
        picture_s = _first_frame_s(container, stream, rates.fps)
    end_s = pictures.end_s(rates)
    start_s = min([picture_s, *(sound for sound in _sound_starts_s(container) if sound < picture_s - LEAD_S)])
    held_s = end_s if pictures.timing == "restarting" else max(end_s, _sound_end_s(container, end_s))
    declared_alone_s = _declared_alone_s(container, stream, declared_s, (picture_s, end_s))
    times_s = pictures.whole.times_s() if pictures.whole and (rates.uneven or held_s > end_s) else []
    return Timeline(
        timing=pictures.timing,
        start_s=start_s,
        first_frame_s=picture_s - start_s,
        duration_s=max(0.0, held_s - start_s),
        fps=rates.fps,
        fastest_fps=rates.fastest_fps,
        variable_frame_rate=rates.uneven,
        frame_times_s=tuple(time_s - start_s for time_s in times_s),
        restarts_s=tuple(at * tick - start_s for at in pictures.restarts),
        declared_duration_s=None
        if declared_alone_s is None or pictures.restarts
        else declared_alone_s + (picture_s - start_s) + (held_s - end_s),
        joined_warning=_joined_warning(container, pictures, held_s - start_s),
    )


def _joined_warning(container: InputContainer, pictures: _Pictures, duration_s: float) -> str:
    position = pictures.last_position
    if position is None or not is_joined_after(container.name, container.format.name, position):
        return ""
    return (
        f"Several files were joined to this one, and what comes after {format_timecode(duration_s)} cannot "
        "be read: it is not looked at. Join them with a tool that knows the format, as FFmpeg does."
    )


@dataclass(frozen=True, slots=True)
class _Rates:
    """How fast frames follow each other."""

    fps: float
    """On average."""
    fastest_fps: float
    interval: float
    """The usual one, in ticks."""
    uneven: bool
    holds_frames: bool
    """Some are shown for long."""


class _Pictures:
    """The times of the video's packets, as far as they have to be read."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, head: PacketTimes, end_s: float
    ) -> None:
        self._container, self._stream = container, stream
        self._tick = float(stream.time_base or Fraction(1, 1000))
        self.timing: Timing = "unstamped" if head.is_unstamped else head.timing
        self.whole: PacketTimes | None = head if head.complete and self.timing == head.timing else None
        self._head, self._tail = head, head
        if self.whole is None and self.timing == "stamped":
            self._tail = _tail(container, stream, end_s)
            restarts = head.restarts or self._tail.restarts
            if restarts or not self._tail.shown or not _clock_is_even(container, stream):
                self.read_all()
        elif self.whole is None:
            self.read_all()
        self._settle()

    @property
    def restarts(self) -> list[int]:
        """Where the clock starts anew, in ticks on one timeline."""
        return self._tail.restarts

    @property
    def last_position(self) -> int | None:
        """Where the last packet ends in the file, bytes."""
        return self._tail.end_position

    def read_all(self) -> None:
        """Reads all packets."""
        container, stream = open_stream(self._container.name, self._stream.index)
        with container:
            self.whole = self._tail = PacketTimes(container, stream, self.timing).read()
        self._settle()

    def _settle(self) -> None:
        if self.timing == "stamped" and self.restarts:
            self.timing = "restarting"

    def rates(self) -> _Rates:
        """The rates, as the packets that were read tell them."""
        read = [self.whole] if self.whole else [self._head, self._tail]
        deltas = [delta for stamps in read for delta in stamps.deltas()]
        fps = _average_fps(self._stream, deltas, declared=self.timing != "unstamped")
        interval = median(deltas or [1 / fps / self._tick])
        rarer = fps < RARER / (interval * self._tick)
        uneven = rarer or are_uneven(deltas)
        return _Rates(
            fps=fps,
            fastest_fps=min(MAX_FPS, 1 / (min(deltas) * self._tick)) if uneven and deltas else fps,
            interval=interval,
            uneven=uneven,
            holds_frames=rarer or (uneven and max(deltas) * self._tick >= HELD_S),
        )

    def end_s(self, rates: _Rates) -> float:
        """Where the last frame ends on the container's clock: one of unknown duration lasts as most do."""
        end = self._tail.end(rates.interval)
        return len(self._tail.shown) / rates.fps if end is None else end * self._tick


def _tail(container: InputContainer, stream: VideoStream, end_s: float) -> PacketTimes:
    """The packets from the last sync point on; none where the end is not declared or not there."""
    tail = PacketTimes(container, stream)
    if end_s > 0 and stream.time_base and keeps_times(container):
        try:
            container.seek(int(end_s / stream.time_base), stream=stream)
            tail.read()
        except (av.FFmpegError, OSError, OverflowError):
            pass
    return tail


def _clock_is_even(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the clock goes on evenly to the end, which is only looked up in transport streams."""
    if container.format.name != "mpegts":
        return True
    return container.size >= MIN_SAMPLED_BYTES and clock_is_even(container.name, stream.id, JUMP_S)


def _first_frame_s(container: InputContainer, stream: VideoStream, fps: float) -> float:
    """When the first frame out of the decoder is shown."""
    container, stream = open_stream(container.name, stream.index)
    with container:
        first = next(timed_frames(container, stream, "unstamped", frame_interval_s=1 / fps), None)
    return 0.0 if first is None else first.pts_s


def _average_fps(stream: VideoStream, deltas: list[float], *, declared: bool) -> float:
    """Frames a second: the container's declaration, if `declared`, or from the intervals between frames."""
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    if declared and 0 < rate <= MAX_FPS:
        return rate
    seconds = sum(deltas) * float(stream.time_base or 0)
    return min(len(deltas) / seconds, MAX_FPS) if seconds > 0 else 1.0


def _sound_starts_s(container: InputContainer) -> list[float]:
    """When each sound track begins, as the headers say: seconds on the container's clock."""
    return [
        float(sound.start_time * sound.time_base)
        for sound in container.streams.audio
        if sound.start_time is not None and sound.time_base
    ]


def _sound_end_s(container: InputContainer, picture_end_s: float) -> float:
    """Where sound ends that goes on well after the last picture, else 0: seconds on the container's clock.

    What the headers say is looked up: the file may have been cut short.
    """
    began_s = (container.start_time or 0) / av.time_base
    file_end_s = began_s + (container.duration or 0) / av.time_base
    ends_s = [0.0]
    for sound in container.streams.audio:
        declared_s = file_end_s
        if sound.duration and sound.time_base:
            declared_s = float(((sound.start_time or 0) + sound.duration) * sound.time_base)
        if declared_s > picture_end_s + TRAIL_S:
            ends_s.append(_last_sound_s(container.name, sound.index, declared_s))
    return max((end_s for end_s in ends_s if end_s > picture_end_s + TRAIL_S), default=0.0)


def _last_sound_s(name: str, index: int, declared_s: float) -> float:
    """Where the last packet of a sound track ends, or 0 where none is found near the declared end."""
    end_s = 0.0
    with open_container(name) as container:
        sound = container.streams[index]
        if not isinstance(sound, AudioStream) or not sound.time_base:
            return end_s
        select(container, sound)
        try:
            container.seek(int(max(0.0, declared_s - TRAIL_S) / sound.time_base), stream=sound)
        except (av.FFmpegError, OSError, OverflowError):
            return end_s
        for packet in packets(container, sound):
            if packet.size and packet.pts is not None:
                end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * sound.time_base))
    return end_s


def _declared_s(container: InputContainer, stream: VideoStream) -> float | None:
    """What the headers say of the video's length: the stream's, else the file's."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _declared_alone_s(
    container: InputContainer, stream: VideoStream, declared_s: float | None, pictures_s: tuple[float, float]
) -> float | None:
    """The declared length, where it is this stream's own and not the sound's.

    Some files count it from the first frame, others from 0 of their clock: the more fitting one is meant.
    """
    if declared_s is None or not (stream.duration or len(container.streams) == 1):
        return None
    first_s, end_s = pictures_s
    return min(declared_s, declared_s - first_s, key=lambda length_s: abs(length_s - (end_s - first_s)))
