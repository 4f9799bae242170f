"""Sharing out the work of decoding, and the threads that do it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import write_clip
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, decode_workers, probe
from dynfocus_cli.video.background_iterator import BackgroundIterator
from dynfocus_cli.video.decode_workers import MAX_CHUNK_BATCHES, divide_work

SOURCE = VideoSource("a.mp4", 3600.0, 96, 72, 25.0, "h264", 0, False, 0, 0.0, container="matroska,webm")


@given(st.integers(0, 400), st.floats(0.01, 60.0), st.integers(1, 40))
def test_every_moment_is_in_one_batch_of_one_worker(count: int, step: float, size: int) -> None:
    moments = [step * place for place in range(count)]
    work = divide_work(SOURCE, moments, size)
    assert [moment for batch in work.batches for moment in batch] == moments
    assert all(len(batch) <= size for batch in work.batches)
    assert sorted(set(work.worker_of)) == list(range(work.workers)) or not count
    assert sum(len(work.of(worker)) for worker in range(work.workers)) == len(work.batches)
    longest = max((len(list(run)) for run in _runs(work.worker_of)), default=0)
    assert work.workers == 1 or longest <= MAX_CHUNK_BATCHES


def _runs(numbers: tuple[int, ...]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and run[-1] != number:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def test_little_work_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_workers, "usable_cores", lambda: 16)
    hour, minute = [float(time) for time in range(0, 3600, 18)], [float(time) for time in range(60)]
    assert divide_work(SOURCE, hour, 32).workers == decode_workers.MAX_WORKERS
    assert divide_work(SOURCE, minute, 32).workers == 2
    assert divide_work(SOURCE, minute[:16], 32).workers == 1
    assert divide_work(replace(SOURCE, container="mpeg"), hour, 32).workers == 1


def test_workers_give_what_one_decoder_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", [40 * number for number in range(500)]))
    moments = [0.07 * place for place in range(280)]

    def pixels(most: int) -> list[bytes]:
        monkeypatch.setattr(decode_workers, "MAX_WORKERS", most)
        monkeypatch.setattr(decode_workers, "MIN_SPAN_S", 1.0)
        monkeypatch.setattr(decode_workers, "usable_cores", lambda: 8)
        assert divide_work(source, moments, 16).workers == most
        batches = decode_frames(source, moments, width=48, height=48, fit="squash", batch_size=16)
        rows = [row for batch in batches for row in batch.pixels]
        assert len(rows) == len(moments)
        return [np.ascontiguousarray(row).tobytes() for row in rows]

    assert pixels(1) == pixels(4)


def test_what_producing_raises_comes_after_what_it_made() -> None:
    def make() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    with BackgroundIterator(make(), 1) as ahead:
        assert [next(ahead), next(ahead)] == [1, 2]
        with pytest.raises(OSError, match="gone"):
            next(ahead)
        with pytest.raises(OSError, match="gone"):
            next(ahead)


def test_leaving_stops_the_producer_and_closes_it() -> None:
    closed = threading.Event()

    def make() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    before = threading.active_count()
    with BackgroundIterator(make(), 2) as ahead:
        assert next(ahead) == 0
    assert closed.is_set()
    assert threading.active_count() == before


def test_no_more_waits_than_it_may() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with BackgroundIterator(make(), 3) as ahead:
        assert next(ahead) == 0
        deadline = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(made) <= 5  # one taken, three waiting, one in hand


def test_an_abandoned_decode_leaves_no_thread(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", [40 * number for number in range(200)]))
    before = threading.active_count()
    batches = decode_frames(
        source, [0.1 * place for place in range(80)], width=8, height=8, fit="squash", batch_size=4
    )
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
