"""Every moment of every clip gives the frame that FFmpeg's full decode shows then: not one is wrong."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import UPRIGHT, Placement, on_screen, read_barcode
from matrix import CASES
from numpy.typing import NDArray
from time_cases import TIME_CASES

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, probe

pytestmark = pytest.mark.slow


def full_decode(
    path: Path, index: int, placement: Placement = UPRIGHT
) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """The truth: times from the first frame shown on, and upright pictures, of all frames in order of time.

    Frames without times follow each other at 25 a second. One that comes after others that are shown
    later is left out, as FFmpeg does.
    """
    with av.open(str(path)) as container:
        stream = container.streams[index]
        shown = []
        for place, frame in enumerate(container.decode(stream)):
            time = float(frame.pts * stream.time_base) if frame.pts is not None else place / 25
            if shown and time < shown[-1][0]:
                continue
            shown.append((time, placement.shown(frame.to_ndarray(format="rgb24"))))
    start = shown[0][0]
    return [time - start for time, _ in shown], [picture for _, picture in shown]


def moments_of(times: list[float]) -> dict[str, list[float]]:
    draw, end = random.Random(7), times[-1] + 0.5
    return {
        "every frame": times,
        "between frames": [(before + after) / 2 for before, after in pairwise([*times, end])],
        "random": sorted(draw.uniform(0, end) for _ in range(50)),
        "sparse": [end * place / 4 for place in range(4)],
        "late and past the end": [times[-1], end, end + 100],
        "dense, then far": sorted([*times[:6], *times[-3:]]),
        "one in the middle": [times[len(times) // 2]],
    }


def delivered(source: VideoSource, moments: list[float]) -> list[tuple[int | None, float, str]]:
    return [
        (read_barcode(pixels), pts_s, condition)
        for batch in decode_frames(source, moments, width=48, height=48, fit="squash", batch_size=16)
        for pixels, pts_s, condition in zip(batch.pixels, batch.pts_s, batch.conditions, strict=True)
    ]


@pytest.mark.parametrize("name", CASES)
def test_every_moment_gives_the_frame_on_screen(tmp_path: Path, name: str) -> None:
    path = CASES[name].write(tmp_path)
    source = probe(path)
    times, pictures = full_decode(path, source.stream_index, CASES[name].placement)
    numbers = [read_barcode(picture) for picture in pictures]
    assert None not in numbers, "the truth itself cannot be read"
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    for what, moments in moments_of(times).items():
        shown = [on_screen(times, moment) for moment in moments]
        expected = [(numbers[place], pytest.approx(times[place], abs=1e-6), "sound") for place in shown]
        assert delivered(source, moments) == expected, what


@pytest.mark.parametrize("name", TIME_CASES)
def test_every_moment_gives_the_frame_that_players_show(tmp_path: Path, name: str) -> None:
    case = TIME_CASES[name]
    path = tmp_path / case.name
    case.make(path)
    source = probe(path)
    assert source.timing == case.timing
    assert source.restarts_s == pytest.approx([place / 1000 for place in case.restarts_ms], abs=0.01)
    assert source.duration_s == pytest.approx(case.end_ms / 1000, abs=0.15)
    shown = case.shown
    if shown is None:
        decoded, pictures = full_decode(path, source.stream_index)
        shown = [(1000 * at, read_barcode(picture)) for at, picture in zip(decoded, pictures, strict=True)]
    # Sound begins up to 0.1 s earlier than its first sample, as its encoder needs it.
    late = source.first_frame_s - shown[0][0] / 1000
    assert -0.005 <= late <= 0.1
    times = [time / 1000 + late for time, _ in shown]
    for what, moments in moments_of(times).items():
        # Containers round times to their clocks: on the edge either frame may be on screen.
        inside = sorted(max(moment, times[0]) + 0.005 for moment in moments)
        places = [on_screen(times, moment) for moment in inside]
        expected = [(shown[place][1], pytest.approx(times[place], abs=0.004), "sound") for place in places]
        assert delivered(source, inside) == expected, what
