"""Clips whose times are not just those of their packets, with what players show of each, by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from case import EVEN, SHORT, B, x264, x265
from clips import write_clip
from edit_lists import edit
from packing import pack_b_frames

FeatureSample = Sequence[tuple[float | Fraction, int]]
"""When a frame comes on screen, in milliseconds, and its number."""


@dataclass(frozen=True, slots=True)
class TimeCase:
    """How one clip is written and what it shows."""

    name: str
    make: Callable[[Path], object]
    shown: FeatureSample | None
    """None for what FFmpeg's full decode shows."""
    end_ms: float
    restarts_ms: tuple[int, ...] = ()
    timing: str = "stamped"


def every(pts_ms: Iterable[float | Fraction], begin_ms: float = 0) -> list[tuple[float | Fraction, int]]:
    """The frames of a clip from its first to its last."""
    return [(begin_ms + time, number) for number, time in enumerate(pts_ms)]


def _joined(name: str, parts: int = 2, pts_ms: Sequence[int] = SHORT, **how: object) -> TimeCase:
    """A clip's file several times, one after the other, as `cat` joins recordings."""

    def make(path: Path) -> None:
        write_clip(path, pts_ms, **how)  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes() * parts)

    length = pts_ms[-1] + pts_ms[1]
    shown = [frame for part in range(parts) for frame in every(pts_ms, part * length)]
    restarts = tuple(part * length for part in range(1, parts))
    return TimeCase(name, make, shown, parts * length, restarts, "restarting")


def _at_times(name: str, offsets_ms: Sequence[int], **how: object) -> TimeCase:
    """Recordings joined whose clocks begin at other times."""

    def make(path: Path) -> None:
        data = b""
        for offset in offsets_ms:
            write_clip(path, [offset + time for time in SHORT], **how)  # type: ignore[arg-type]
            data += path.read_bytes()
        path.write_bytes(data)

    length = SHORT[-1] + 40
    parts = len(offsets_ms)
    shown = [frame for part in range(parts) for frame in every(SHORT, part * length)]
    restarts = tuple(part * length for part in range(1, parts))
    return TimeCase(name, make, shown, parts * length, restarts, "restarting")


def _alone(
    name: str,
    pts_ms: Sequence[float | Fraction] = EVEN,
    timing: str = "unstamped",
    last_ms: float = 40,
    **how: object,
) -> TimeCase:
    """A clip that shows its frames at the times it is written with."""

    def make(path: Path) -> None:
        write_clip(path, pts_ms, **how)  # type: ignore[arg-type]

    return TimeCase(name, make, every(pts_ms), pts_ms[-1] + last_ms, timing=timing)


def _packed(name: str, b_frames: int) -> TimeCase:
    def make(path: Path) -> None:
        plain = path.with_name("plain.avi")
        write_clip(plain, EVEN, codec="mpeg4", clock=None, options={"bf": str(b_frames), "b_strategy": "0"})
        pack_b_frames(plain, path)

    return TimeCase(name, make, every(EVEN), 6000, timing="unstamped")


def _edited(name: str, edits: Sequence[tuple[int, int | None]], **how: object) -> TimeCase:
    """A clip with an edit list: each edit's length and where in the clip it begins, or None for a gap, ms."""

    def make(path: Path) -> None:
        write_clip(path, EVEN, **{"options": B, **how})  # type: ignore[arg-type]
        edit(path, edits)

    parts = sum(begin is not None for _, begin in edits)
    end = sum(length for length, _ in edits)
    return TimeCase(name, make, None, end, timing="edited" if parts > 1 else "stamped")


def _with_sound(name: str, pts_ms: Sequence[int], sound_s: float, end_ms: int, **how: object) -> TimeCase:
    """Sound from 0 on beside pictures."""
    return TimeCase(
        name,
        lambda path: write_clip(path, pts_ms, audio_s=sound_s, **how),
        every(pts_ms),
        end_ms,  # type: ignore[arg-type]
    )


SLIDES = (0, 2000, 5000, 10_000, 20_000)
AVI_SLIDES = tuple(time // 40 * 40 for time in SLIDES)
MPEG2 = {"codec": "mpeg2video", "clock": None, "options": {"bf": "2"}}
MPEG4 = {"codec": "mpeg4", "clock": None, "options": {"bf": "2"}}
VP9 = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
FRAGMENTS = {"container_options": {"movflags": "frag_keyframe+empty_moov"}}
COPY_TIMES = {"container_options": {"mpegts_copyts": "1"}, "options": B}
DAY_MS = 86_400_000
LATE = tuple(5000 + time for time in EVEN)

TIME_CASES = {
    # Recordings joined, so that the clock starts anew
    "joined ts": _joined("a.ts", options=B),
    "joined ts of three": _joined("a.ts", 3, options=B),
    "joined ts, open GOP": _joined("a.ts", options=x264("open-gop=1:keyint=24:min-keyint=24")),
    "joined ts, HEVC": _joined("a.ts", codec="libx265", options=x265("keyint=12:bframes=3")),
    "joined ts, MPEG-2": _joined("a.ts", **MPEG2),
    "joined ts, 2 frames a second": _joined(
        "a.ts", pts_ms=tuple(500 * n for n in range(20)), options=B, rate=2, gop=5
    ),
    "joined mpg": _joined("a.mpg", **MPEG2),
    "joined vob": _joined("a.vob", **MPEG2),
    "joined mpg, MPEG-1": _joined("a.mpg", codec="mpeg1video", clock=None, options={"bf": "2"}),
    "joined mkv": _joined("a.mkv", options=B),
    "joined mkv, no B-frames": _joined("a.mkv", options={"bf": "0"}),
    "joined mkv, HEVC": _joined("a.mkv", codec="libx265", options=x265("keyint=12:bframes=3")),
    "joined mkv, MPEG-4": _joined("a.mkv", **MPEG4),
    "joined webm": _joined("a.webm", **VP9),
    # Of fragments with another index before them FFmpeg leaves out the first frames.
    "joined fragments": replace(
        _joined("a.mp4", options=B, **FRAGMENTS),
        shown=[*every(SHORT), *every(SHORT, 2400)[4:]],
    ),
    # A clock that jumps
    "jump of 10 h ts": _at_times("a.ts", (0, 36_000_000), **COPY_TIMES),
    "jump of a minute ts": _at_times("a.ts", (0, 60_000), **COPY_TIMES),
    "jump back of 10 h ts": _at_times("a.ts", (36_000_000, 0), **COPY_TIMES),
    "jump back of 8 s ts": _at_times("a.ts", (10_000, 2000), **COPY_TIMES),
    "jumps there and back ts": _at_times("a.ts", (20_000, DAY_MS // 2, 1000), **COPY_TIMES),
    "jump back mkv": _at_times("a.mkv", (60_000, 10_000), options=B),
    # No presentation times: the decoder's order
    "AVI H.264 B-frames": _alone("a.avi", options=B, clock=None),
    "AVI H.264 B-pyramid": _alone("a.avi", options=x264("b-pyramid=normal:ref=4", bf="7"), clock=None),
    "AVI H.264 open GOP": _alone("a.avi", options=x264("open-gop=1:keyint=24:min-keyint=24"), clock=None),
    "AVI H.264 one GOP": _alone("a.avi", options=x264("keyint=infinite"), gop=10_000, clock=None),
    "AVI H.264 1 frame a second": _alone(
        "a.avi", tuple(1000 * n for n in range(60)), last_ms=1000, options=B, clock=None, rate=1
    ),
    "AVI H.264 10 bits": _alone("a.avi", SHORT, pixel_format="yuv420p10le", options=B, clock=None),
    "AVI H.264 with sound": _alone("a.avi", options=B, clock=None, audio_s=6.0),
    "AVI H.264 without B-frames": _alone("a.avi", timing="stamped", options={"bf": "0"}, clock=None),
    "AVI H.264 gaps": _alone("a.avi", AVI_SLIDES, timing="stamped", options={"bf": "0"}, clock=None),
    "AVI MPEG-4 B-frames": _alone("a.avi", **MPEG4),
    "AVI MPEG-4 gaps": _alone("a.avi", AVI_SLIDES, timing="stamped", codec="mpeg4", clock=None),
    "AVI MPEG-2 B-frames": _alone("a.avi", **MPEG2),
    "AVI MJPEG gaps": _alone(
        "a.avi", AVI_SLIDES, timing="stamped", codec="mjpeg", pixel_format="yuvj420p", clock=None
    ),
    "raw H.264 B-frames": _alone("a.h264", options=B, clock=None),
    "raw H.264 open GOP": _alone("a.h264", options=x264("open-gop=1:keyint=24:min-keyint=24"), clock=None),
    "raw HEVC B-frames": _alone(
        "a.hevc", SHORT, codec="libx265", options=x265("keyint=12:bframes=3"), clock=None
    ),
    "raw MPEG-4": _alone("a.m4v", timing="stamped", **MPEG4),
    "raw MPEG-2": _alone("a.m2v", timing="stamped", **MPEG2),
    **{
        f"raw {codec} {rate} a second": _alone(
            f"a.{suffix}",
            [Fraction(1000 * n, rate) for n in range(60)],
            last_ms=1000 / rate,
            codec=encoder,
            options=options,
            clock=None,
            rate=rate,
        )
        for codec, suffix, encoder, options in (
            ("H.264", "h264", "libx264", {"bf": "0"}),
            ("HEVC", "hevc", "libx265", x265("bframes=0")),
        )
        for rate in (10, 15, 30, 50, 60)
    },
    # Packed B-frames
    "packed B-frames avi": _packed("a.avi", 2),
    "packed B-frames, one at a time": _packed("a.avi", 1),
    "packed B-frames mkv": _packed("a.mkv", 2),
    "packed B-frames mp4": _packed("a.mp4", 2),
    # Edit lists
    "two edits": _edited("a.mp4", [(2000, 0), (2000, 3600)]),
    "two edits mov": _edited("a.mov", [(2000, 0), (2000, 3600)]),
    "two edits, within GOPs": _edited("a.mp4", [(1320, 280), (2000, 3320)]),
    "two edits, one GOP": _edited(
        "a.mp4", [(1320, 280), (2000, 3320)], options=x264("keyint=infinite"), gop=10_000
    ),
    "two edits, open GOP": _edited(
        "a.mp4", [(2000, 0), (2000, 3840)], options=x264("open-gop=1:keyint=24:min-keyint=24")
    ),
    "two edits, HEVC": _edited(
        "a.mp4", [(2000, 0), (2000, 3840)], codec="libx265", options=x265("keyint=24")
    ),
    "two edits, no B-frames": _edited("a.mp4", [(2000, 0), (2000, 3600)], options={"bf": "0"}),
    "reordered edits": _edited("a.mp4", [(2000, 3600), (2000, 480)]),
    "looped edit": _edited("a.mp4", [(1000, 960)] * 4),
    "overlapping edits": _edited("a.mp4", [(2000, 0), (2000, 1000)]),
    "a gap between edits": _edited("a.mp4", [(2000, 0), (1000, None), (2000, 3600)]),
    "many short edits": _edited("a.mp4", [(480, 480 * place) for place in (9, 2, 7, 0, 4, 11, 1, 5)]),
    "one edit": _edited("a.mp4", [(2000, 1320)]),
    # Sound that outlasts the picture, or comes before it
    "slides with sound mp4": _with_sound("a.mp4", SLIDES, 60, 60_000, options={"bf": "0"}),
    "slides with sound mkv": _with_sound("a.mkv", SLIDES, 60, 60_000, options={"bf": "0"}),
    "slides with sound mov": _with_sound("a.mov", SLIDES, 60, 60_000, options={"bf": "0"}),
    "a still with sound mp4": _with_sound("a.mp4", [0], 60, 60_000),
    "a still with sound mkv": _with_sound("a.mkv", [0], 60, 60_000),
    "sound goes on ts": _with_sound("a.ts", EVEN, 20, 20_000, options=B),
    "sound goes on flv": _with_sound("a.flv", EVEN, 20, 20_000, options=B),
    "sound ends first": _with_sound("a.mp4", EVEN, 3, 6000, options=B),
    **{
        f"late picture {suffix}": TimeCase(
            f"a.{suffix}",
            lambda path: write_clip(path, LATE, audio_s=11.0, options=B),
            every(EVEN, 5000),
            11_000,
        )
        for suffix in ("mp4", "mkv", "mov", "ts", "flv", "nut")
    },
    "late picture, late sound mp4": TimeCase(
        "a.mp4",
        lambda path: write_clip(path, LATE, audio_s=11.0, options={"bf": "0"}),
        every(EVEN, 5000),
        11_000,
    ),
    # Held frames
    "a burst after a still hour mp4": _alone(
        "a.mp4",
        (0, *(3_600_000 + 100 * n for n in range(100))),
        timing="stamped",
        options={"bf": "0"},
        gop=30,
    ),
    "a burst after a still hour mkv": _alone(
        "a.mkv",
        (0, *(3_600_000 + 100 * n for n in range(100))),
        timing="stamped",
        options=B,
        gop=30,
    ),
    "screen recording webm": _alone(
        "a.webm",
        (0, 10_000, 20_000, *(30_000 + 200 * n for n in range(15)), 45_000, 60_000),
        timing="stamped",
        **VP9,
    ),
}
