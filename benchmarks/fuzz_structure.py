"""What the tool shows of files of unusual structure, against FFmpeg's full decode."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from clips import on_screen, read_barcode
from structure import Structure, restructure

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import decode_frames, probe

MOMENTS = 24
JUMP_S = 10.0
BROADCAST = (".ts", ".mpg")
SPLICED = (".ts", ".mpg", ".mkv")

RIGHT, TOLD, NOT_TOLD, CLOSED = "right", "wrong, and told", "wrong", "unreadable"


def compare(seed: int, folder: Path) -> str:
    """How the frames of the seed's file compare."""
    made = restructure(seed, folder)
    try:
        source = probe(made.path)
        times, numbers = _full_decode(made)
        if not times:
            return CLOSED  # we find a frame where FFmpeg's own way finds none
        moments = _moments(times, seed)
        wrong = doubted = 0
        for batch in decode_frames(source, moments, width=96, height=96, fit="squash", batch_size=8):
            for pixels, moment, condition in zip(batch.pixels, batch.times_s, batch.conditions, strict=True):
                right = read_barcode(pixels) == numbers[on_screen(times, moment)]
                wrong += not right and condition == "sound"
                doubted += condition != "sound"
        if not wrong and not doubted:
            return RIGHT
        print(f"seed {seed}, {made.path.name}: {wrong} wrong, {doubted} doubted")
        return TOLD if source.restarts_s or not wrong else NOT_TOLD
    except VideoUnreadable:
        return CLOSED
    finally:
        made.path.unlink()


def _moments(times: list[float], seed: int) -> list[float]:
    """Moments in the middle of frames: at their edges a container's clock decides."""
    middles = [
        (before + after) / 2 for before, after in pairwise([*times, times[-1] + 0.02]) if after > before
    ]
    return sorted(random.Random(seed).sample(middles, min(MOMENTS, len(middles))))


def _frames(container: InputContainer) -> Iterator[av.VideoFrame]:
    """All that decode, as they come out."""
    stream = container.streams.video[0]
    for packet in container.demux(stream):
        with suppress(av.FFmpegError):
            yield from stream.decode(packet)


def _full_decode(made: Structure) -> tuple[list[float], list[int | None]]:
    """When all frames are shown, from the first on, and their numbers.

    FFmpeg's times, but where there are none or, in AVI, guesses: there frames come at the rate of the file. A
    clock that goes back or jumps is taken to go on; in an edit list, frames that come too late are left out.
    """
    times: list[float] = []
    numbers: list[int | None] = []
    with av.open(str(made.path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.guessed_rate or 25)
        shift = 0.0
        for place, frame in enumerate(_frames(container)):
            if frame.pts is None or made.path.suffix == ".avi":
                time = place / rate
            else:
                time = float(frame.pts * frame.time_base) + shift
            if times and made.path.suffix in SPLICED:
                jumps = made.path.suffix in BROADCAST and time > times[-1] + JUMP_S
                if time < times[-1] or jumps:
                    after = times[-1] + 1 / rate
                    shift, time = shift + after - time, after
            if times and time < times[-1]:
                continue
            times.append(time)
            numbers.append(read_barcode(made.placement.shown(frame.to_ndarray(format="rgb24"))))
    return [time - times[0] for time in times], numbers
