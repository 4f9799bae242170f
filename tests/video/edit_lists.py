"""Edit lists of MP4 and QuickTime files, written by hand: no muxer writes several edits."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

MOVIE_CLOCK = 1000
"""Of PyAV's files, a second."""


def edit(path: Path, edits: Sequence[tuple[int, int | None]]) -> None:
    """Gives the first track of a file, whose index is at its end, an edit list: the length of each edit, and
    where it begins in what the track showed before, in milliseconds; None where it shows nothing."""
    data = path.read_bytes()
    moov = next(box for box in _boxes(data, 0, len(data)) if box[0] == b"moov")
    assert moov[2] == len(data), "the index must be last"
    trak = next(box for box in _boxes(data, *moov[1:]) if box[0] == b"trak")
    clock, first = _media_clock(data, trak), _first_media_time(data, trak)
    entries = b"".join(
        struct.pack(
            ">IiI",
            length * MOVIE_CLOCK // 1000,
            -1 if begin is None else first + begin * clock // 1000,
            1 << 16,
        )
        for length, begin in edits
    )
    edts = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
    parts = [(kind, data[start - 8 : end]) for kind, start, end in _boxes(data, *trak[1:]) if kind != b"edts"]
    header, rest = parts[0][1], b"".join(part for _, part in parts[1:])
    before, after = data[moov[1] : trak[1] - 8], data[trak[2] :]
    movie = _box(b"moov", before + _box(b"trak", header + edts + rest) + after)
    path.write_bytes(data[: moov[1] - 8] + movie)


Box = tuple[bytes, int, int]


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Kind, and where the content begins and ends."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield kind, start + 8, start + size
        start += size


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _media_clock(data: bytes, trak: Box) -> int:
    """Ticks a second of the track's media."""
    at = data.index(b"mdhd", trak[1], trak[2]) + 4
    return int.from_bytes(data[at + 12 : at + 16], "big")


def _first_media_time(data: bytes, trak: Box) -> int:
    """Where the edit that the muxer wrote begins: the delay of B-frames."""
    at = data.find(b"elst", trak[1], trak[2])
    return 0 if at < 0 else int.from_bytes(data[at + 16 : at + 20], "big")
