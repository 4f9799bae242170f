"""Files of unusual structure: whole, but with times, edits, clocks, sizes or matrices as none else has."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from case import EVEN, SHORT, B, x264, x265
from clips import UPRIGHT, Placement, write_clip
from edit_lists import edit

OPTIONS = (
    B,
    {"bf": "0"},
    x264("open-gop=1:keyint=24:min-keyint=24"),
    x264("b-pyramid=normal:ref=4", bf="7"),
    x264("keyint=infinite"),
)


@dataclass(frozen=True, slots=True)
class Structure:
    """A file, and how its pictures are turned."""

    path: Path
    placement: Placement = UPRIGHT


def kind_of(seed: int) -> str:
    """What is unusual of that seed's file."""
    return random.Random(seed).choice(tuple(KINDS))


def restructure(seed: int, folder: Path) -> Structure:
    """The file of that seed, in `folder`: the same seed always makes the same file."""
    draw = random.Random(seed)
    kind = draw.choice(tuple(KINDS))
    path, placement = KINDS[kind](draw, folder / str(seed))
    return Structure(path, placement)


Made = tuple[Path, Placement]


def _codec(draw: random.Random, containers: str) -> dict[str, object]:
    """An encoder, and how it is set."""
    choices: list[dict[str, object]] = [
        {"codec": "libx264", "options": draw.choice(OPTIONS), "gop": draw.choice((5, 12, 50))},
        {"codec": "mpeg4", "options": {"bf": draw.choice("02")}, "clock": None},
    ]
    if containers != "avi":
        choices.append({"codec": "libx265", "options": x265("keyint=24:bframes=3"), "rate": 25})
    return draw.choice(choices)


def _edits(draw: random.Random, stem: Path) -> Made:
    """An edit list of one to five edits or gaps, anywhere in the media."""
    path = stem.with_suffix(draw.choice((".mp4", ".mov")))
    write_clip(path, EVEN, **_codec(draw, "mp4"))  # type: ignore[arg-type]
    edits: list[tuple[int, int | None]] = []
    for place in range(draw.randint(1, 5)):
        length = draw.randrange(200, 3000)
        gap = place and draw.random() < 0.2
        edits.append((length, None if gap else draw.randrange(0, EVEN[-1] - length)))
    edit(path, edits)
    return path, UPRIGHT


def _times(draw: random.Random, stem: Path) -> Made:
    """Frames at any times: uneven, held, bursts, beginning late."""
    path = stem.with_suffix(draw.choice((".mp4", ".mkv", ".mov", ".flv", ".nut")))
    now, times = draw.choice((0, 0, 3000, 36_000)), []
    for _ in range(60):
        times.append(now)
        now += draw.choice((20, 40, 40, 40, 100, 700, draw.randrange(20, 6000)))
    write_clip(path, times, codec="libx264", options=draw.choice(OPTIONS), gop=draw.choice((5, 12, 50)))
    return path, UPRIGHT


def _clocks(draw: random.Random, stem: Path) -> Made:
    """Two or three recordings joined, whose clocks begin anywhere."""
    suffix = draw.choice((".ts", ".ts", ".ts", ".mpg", ".mkv"))
    path, data = stem.with_suffix(suffix), b""
    how = {"codec": "mpeg2video", "options": {"bf": "2"}, "clock": None} if suffix == ".mpg" else None
    how = how or _codec(draw, "ts")
    for _ in range(2 if suffix == ".mkv" else draw.randint(2, 3)):
        begin = draw.choice((0, 0, 5000, 60_000, 36_000_000)) if suffix == ".ts" else 0
        options = {"mpegts_copyts": "1"} if suffix == ".ts" else {}
        write_clip(path, [begin + time for time in SHORT], container_options=options, **how)  # type: ignore[arg-type]
        data += path.read_bytes()
    path.write_bytes(data)
    return path, UPRIGHT


def _sizes(draw: random.Random, stem: Path) -> Made:
    """Recordings joined whose pictures have other sizes."""
    path, data = stem.with_suffix(draw.choice((".ts", ".h264"))), b""
    for size in draw.sample(((96, 72), (128, 96), (160, 90), (64, 48)), 2):
        write_clip(path, SHORT, size=size, options=draw.choice(OPTIONS), clock=None)
        data += path.read_bytes()
    path.write_bytes(data)
    return path, UPRIGHT


def _matrices(draw: random.Random, stem: Path) -> Made:
    """A track matrix that mirrors and turns the picture."""
    path = stem.with_suffix(draw.choice((".mp4", ".mov")))
    placement = Placement(draw.choice((0, 90, 180, 270)), draw.random() < 0.5)
    write_clip(path, SHORT, placement=placement, tagged=False, **_codec(draw, "mp4"))  # type: ignore[arg-type]
    a, b, c, d = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[
        placement.clockwise
    ]
    if placement.mirrored:
        a, b = -a, -b
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    values = (65536 * a, 65536 * b, 0, 65536 * c, 65536 * d, 0, 0, 0, 1 << 30)
    data[at : at + 36] = struct.pack(">9i", *values)
    path.write_bytes(data)
    return path, placement


def _containers(draw: random.Random, stem: Path) -> Made:
    """Packets copied from one container to another, which may know less of their times."""
    first = stem.with_suffix(draw.choice((".mp4", ".mkv")))
    write_clip(first, EVEN, **_codec(draw, "avi"))  # type: ignore[arg-type]
    path = stem.with_name(f"{stem.name}-copy").with_suffix(
        draw.choice((".avi", ".mkv", ".mp4", ".ts", ".nut"))
    )
    with av.open(str(first)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        as_stream = path.suffix in (".avi", ".ts") and stream.codec_context.name == "h264"
        start_codes = BitStreamFilterContext("h264_mp4toannexb", stream) if as_stream else None
        for packet in source.demux(stream):
            if packet.size:
                for piece in [packet] if start_codes is None else start_codes.filter(packet):
                    piece.stream = copy
                    target.mux(piece)
    first.unlink()
    return path, UPRIGHT


def _lengths(draw: random.Random, stem: Path) -> Made:
    """Headers that lie about how long the file is."""
    path = stem.with_suffix(draw.choice((".mp4", ".mov")))
    write_clip(path, EVEN, **_codec(draw, "mp4"))  # type: ignore[arg-type]
    data = bytearray(path.read_bytes())
    for kind, place in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
        at = data.index(kind) + 4 + place
        length = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = int(length * draw.choice((0, 0.5, 1, 3))).to_bytes(4, "big")
    path.write_bytes(data)
    return path, UPRIGHT


KINDS: dict[str, Callable[[random.Random, Path], Made]] = {
    "edit list": _edits,
    "time stamps": _times,
    "clocks": _clocks,
    "sizes": _sizes,
    "matrix": _matrices,
    "container": _containers,
    "lengths": _lengths,
}
