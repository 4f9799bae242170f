"""The clock of an MPEG transport stream, read here and there: whether it goes on evenly to the end."""

from __future__ import annotations

import os
from itertools import pairwise
from statistics import median
from typing import BinaryIO

PLACES = 256
"""Where the clock of a large file is read."""

SEARCH_BYTES = 1 << 19
"""From each place on. A picture of 4K video has less."""

_CLOCK_HZ = 90_000
_WRAP = 1 << 33
_SYNC = 0x47
_PACKET_SIZES = (188, 192, 204)
"""Plain, with a time stamp in front (Blu-ray, AVCHD), with error correction behind."""


def clock_is_even(path: str | os.PathLike[str], pid: int, jump_s: float) -> bool:
    """False where the clock of the elementary stream `pid` goes back from a place to the next, or on by more
    than twice what is usual for as many bytes and `jump_s` seconds. Then all packets have to be read."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        places = (size * place // PLACES for place in range(PLACES))
        read = [(place, clock) for place in places if (clock := _clock(file, place, pid)) is not None]
    steps = [
        (after[0] - before[0], _ahead(before[1], after[1]))
        for before, after in pairwise(read)
        if before != after
    ]
    if not steps:
        return False
    usual = median(max(ticks, 0) / length for length, ticks in steps)
    return all(0 <= ticks <= 2 * usual * length + jump_s * _CLOCK_HZ for length, ticks in steps)


def _ahead(before: int, after: int) -> int:
    """Ticks from one time to the other; the clock begins anew after 26.5 hours."""
    step = (after - before) % _WRAP
    return step - _WRAP if step > _WRAP // 2 else step


def _clock(file: BinaryIO, place: int, pid: int) -> int | None:
    """The first decoding time of the elementary stream after `place`."""
    file.seek(place)
    data = file.read(SEARCH_BYTES)
    for start in range(min(len(data), 2 * max(_PACKET_SIZES))):
        for length in _PACKET_SIZES:
            if data[start::length][:8] == bytes([_SYNC]) * 8:
                times = (_decoding_time(data[at : at + 188], pid) for at in range(start, len(data), length))
                return next((time for time in times if time is not None), None)
    return None


def _decoding_time(packet: bytes, pid: int) -> int | None:
    """The decoding time of the picture that begins in this packet, or None."""
    if len(packet) < 188 or int.from_bytes(packet[1:3], "big") & 0x5FFF != 0x4000 | pid:
        return None
    payload = packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]
    if payload[:3] != b"\0\0\1" or len(payload) < 19 or not payload[7] & 0x80:
        return None
    time = payload[14:19] if payload[7] & 0x40 else payload[9:14]
    return (time[0] >> 1 & 7) << 30 | (time[1] << 8 | time[2]) >> 1 << 15 | (time[3] << 8 | time[4]) >> 1
