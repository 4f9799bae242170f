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

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, probe


def full_decode(
    path: Path, index: int, placement: Placement = UPRIGHT
) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """The truth: times from the first frame shown on, and upright pictures, of all frames in order of time.

    Frames without times follow each other at 25 a second.
    """
    with av.open(str(path)) as container:
        stream = container.streams[index]
        shown = []
        for place, frame in enumerate(container.decode(stream)):
            time = float(frame.pts * stream.time_base) if frame.pts is not None else place / 25
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
