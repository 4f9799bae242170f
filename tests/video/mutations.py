"""Broken video files, made from good ones: the same seed always makes the same file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from matrix import CASES

BASES = (
    "H.264 B-frames",
    "H.264 open GOP mkv",
    "H.264 open GOP ts",
    "H.264 flv",
    "H.264 raw",
    "HEVC open GOP",
    "VP8 hidden frames",
    "VP9",
    "AV1 mp4",
    "MPEG-2 ps",
    "MPEG-2 mxf",
    "MPEG-4 avi",
    "WMV2",
    "MJPEG avi",
    "ProRes",
    "PNG with alpha",
    "GIF",
    "APNG",
    "fragments",
    "edit list hides the start",
    "turned 90",
    "cover art",
    "late start ts",
    "H.264 nut",
)

SUFFIXES = (".mp4", ".mkv", ".ts", ".avi", ".webm", ".mov", ".flv", ".mpg", ".gif", ".h264", ".txt", "")

Mutation = Callable[[bytearray, random.Random, list[bytes]], bytearray]


def write_bases(folder: Path) -> list[Path]:
    """The good files, written once."""
    paths = []
    for number, name in enumerate(BASES):
        place = folder / str(number)
        place.mkdir(parents=True, exist_ok=True)
        paths.append(CASES[name].write(place))
    return paths


def mutate(seed: int, bases: list[Path], folder: Path) -> Path:
    """The broken file of that seed, in `folder`."""
    draw = random.Random(seed)
    base = draw.choice(bases)
    others = [path.read_bytes() for path in draw.sample(bases, 2)]
    data = bytearray(base.read_bytes())
    for _ in range(draw.choice((1, 1, 2, 4))):
        data = draw.choice(MUTATIONS)(data, draw, others) or bytearray(b"\0")
    suffix = draw.choice(SUFFIXES) if draw.random() < 0.15 else base.suffix
    path = folder / f"{seed}{suffix}"
    path.write_bytes(data)
    return path


def flip_bits(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    for _ in range(draw.choice((1, 8, 64, 512))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def flip_in_the_head(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    for _ in range(draw.choice((1, 4, 16))):
        data[draw.randrange(min(len(data), 1024))] = draw.choice(
            (0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256))
        )
    return data


def cut(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    return data[: draw.randrange(1, len(data) + 1)]


def cut_the_head(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    return data[draw.randrange(len(data)) :]


def zero(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    start = draw.randrange(len(data))
    length = draw.randrange(1, max(2, len(data) // 8))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def remove(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    start = draw.randrange(len(data))
    del data[start : start + draw.randrange(1, max(2, len(data) // 8))]
    return data


def repeat(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    start = draw.randrange(len(data))
    piece = data[start : start + draw.randrange(1, max(2, len(data) // 8))]
    return data[:start] + piece * draw.choice((2, 3, 20)) + data[start:]


def splice(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    """The head of one file on the body of another."""
    return data[: draw.randrange(1, len(data) + 1)] + others[0][draw.randrange(len(others[0])) :]


def join(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    return data + others[1]


def lie_about_a_size(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    """A length in an MP4 box, an EBML element or a RIFF chunk that is far too large, or 0, or 1."""
    kinds = (
        b"moov",
        b"trak",
        b"mdia",
        b"stbl",
        b"stts",
        b"stsz",
        b"stco",
        b"mdat",
        b"moof",
        b"LIST",
        b"avih",
    )
    places = [at for kind in kinds if (at := data.find(kind)) >= 4]
    at = draw.choice(places) - 4 if places else draw.randrange(max(1, min(len(data), 512) - 8))
    data[at : at + 4] = draw.choice((0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "big")
    return data


def lie_in_a_table(data: bytearray, draw: random.Random, others: list[bytes]) -> bytearray:
    """Counts, offsets and times in MP4's tables."""
    kinds = (
        b"stts",
        b"ctts",
        b"stsc",
        b"stsz",
        b"stco",
        b"stss",
        b"elst",
        b"tkhd",
        b"mdhd",
        b"mvhd",
        b"avcC",
        b"trun",
    )
    places = [at for kind in kinds if (at := data.find(kind)) >= 0]
    if not places:
        return flip_in_the_head(data, draw, others)
    at = draw.choice(places) + 4 + 4 * draw.randrange(6)
    data[at : at + 4] = draw.choice((0, 1, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)).to_bytes(4, "big")
    return data


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_in_the_head,
    cut,
    cut_the_head,
    zero,
    remove,
    repeat,
    splice,
    join,
    lie_about_a_size,
    lie_in_a_table,
    lie_in_a_table,
)
