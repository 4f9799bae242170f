"""The index of searches, with vectors drawn at random."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dynfocus_cli.moments import index as moment_index
from dynfocus_cli.moments.catalogue import FILE_NAME, Catalogue
from dynfocus_cli.moments.index import IndexUnwritable, MomentIndex, VideoEntry, clear, indexes
from dynfocus_cli.types import VideoSource

WIDTH = 7
SOURCE = VideoSource("", 9.5, 64, 48, 25.0, "h264", 90, True, 0, 0.0, margins=(1, 2, 3, 4), restarts_s=(2.0,))


def index_in(folder: Path, **settings: str) -> MomentIndex:
    return MomentIndex(folder, {"retriever": "a", **settings}, {"model": "m", "frames": "1 a second"})


def entry_of(number: int, frames: int = 3) -> VideoEntry:
    vectors = np.random.default_rng(number).normal(size=(frames, WIDTH)).astype(np.float16)
    source = replace(SOURCE, path=f"{number}.mp4", frame_times_s=tuple(range(number)))
    times_s = tuple(index / 3 for index in range(frames))
    return VideoEntry(source, times_s, vectors, (0.0, 9.5), ("a warning",), ("it is grey",))


def assert_equal(kept: VideoEntry | None, entry: VideoEntry) -> None:
    assert kept is not None
    np.testing.assert_array_equal(kept.vectors, entry.vectors)
    for name in ("source", "times_s", "within", "warnings", "departures"):
        assert getattr(kept, name) == getattr(entry, name)


def test_what_is_added_is_there_under_any_name(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    assert (index.get("d1", "x"), index.has("d1"), index.info()) == (None, False, None)
    for number in (1, 2, 3):
        index.add(f"d{number}", entry_of(number, frames=number))
    again = index_in(tmp_path)
    for number in (3, 1, 2):
        assert_equal(again.get(f"d{number}", f"{number}.mp4"), entry_of(number, frames=number))
    moved = again.get("d1", "elsewhere/1.mp4")
    assert moved is not None
    assert moved.source.path == "elsewhere/1.mp4"
    info = again.info()
    assert info is not None
    assert (info.videos, info.frames, info.about["model"]) == (3, 6, "m")
    assert info.size > 6 * WIDTH * 2


def test_another_model_or_sampling_is_another_index(tmp_path: Path) -> None:
    index_in(tmp_path).add("d", entry_of(1))
    for settings in ({"retriever": "b"}, {"frames": "2 a second"}):
        assert index_in(tmp_path, **settings).get("d", "x") is None
    assert len(indexes(tmp_path)) == 1


def test_a_video_is_kept_once(tmp_path: Path) -> None:
    index, plain = index_in(tmp_path), replace(entry_of(1), departures=None)
    index.add("d", plain)
    size = index.folder.joinpath(vectors_of(index)).stat().st_size
    index.add("d", plain)
    assert index.folder.joinpath(vectors_of(index)).stat().st_size == size == 3 * WIDTH * 2
    assert_equal(index.get("d", "1.mp4"), plain)


def test_what_another_version_kept_is_made_anew_once(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d", entry_of(1))
    with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
        other = zlib.compress(b'{"source": {"path": "", "length": 3}, "times_s": [0.0, 1.0, 2.0]}')
        connection.execute("UPDATE videos SET details = ?", (other,))
    connection.close()
    assert index.get("d", "1.mp4") is None
    index.add("d", entry_of(1))
    assert_equal(index.get("d", "1.mp4"), entry_of(1))


def vectors_of(index: MomentIndex) -> str:
    with Catalogue.reading(index.folder) as catalogue:
        assert catalogue is not None
        return catalogue.about["vectors"]


@pytest.mark.parametrize("block", [1, 5 * WIDTH * 2, 1 << 20])
def test_peaks_are_the_highest_products_within_their_error(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment_index, "BLOCK", block)
    index = index_in(tmp_path)
    lengths = [1, 4, 2, 30, 3, 1, 6]
    for number, frames in enumerate(lengths):
        index.add(f"d{number}", entry_of(number, frames))
    query = torch.randn(WIDTH)
    wanted = [f"d{number}" for number in (6, 0, 1, 3, 4)]
    peaks = index.peaks(query, {*wanted, "unknown"})
    assert peaks is not None
    assert peaks.places.digests == ["d0", "d1", "d3", "d4", "d6"]  # d2 and d5 stand between them
    assert peaks.places.frames.tolist() == [lengths[number] for number in (0, 1, 3, 4, 6)]
    assert peaks.places.remarks.all()
    for digest, product, error in zip(peaks.places.digests, peaks.products, peaks.errors, strict=True):
        number = int(digest[1:])
        exact = torch.from_numpy(entry_of(number, lengths[number]).vectors).float() @ query
        assert abs(product - exact.max()) <= error < 0.05
    assert index_in(tmp_path, frames="2").peaks(query, set(wanted)) is None
    assert index.peaks(query, set()) is None


def test_no_question_about_places_reads_what_else_is_kept_of_videos(tmp_path: Path) -> None:
    """Else adding the n-th video would read what is kept of the n - 1 others."""
    index = index_in(tmp_path)
    index.add("d", entry_of(1))
    connection = sqlite3.connect(index.folder / "catalogue.sqlite")
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    catalogue = Catalogue(connection)
    places = catalogue.places()
    assert places is not None
    assert places.digests == ["d"]
    assert catalogue.end() == 3
    connection.set_trace_callback(None)
    for query in asked:
        plan = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert [step for step in plan if "videos" in step] == ["SCAN videos USING COVERING INDEX places"]
    assert len(asked) == 2
    connection.close()


def test_what_a_killed_process_left_behind_is_overwritten(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d1", entry_of(1))
    with open(index.folder / vectors_of(index), "ab") as file:
        file.write(b"torn" * 100)
    index.add("d2", entry_of(2))
    assert_equal(index.get("d2", "2.mp4"), entry_of(2))
    assert_equal(index.get("d1", "1.mp4"), entry_of(1))


def test_damage_is_a_miss_and_is_mended(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    for number in (1, 2):
        index.add(f"d{number}", entry_of(number))
    vectors = index.folder / vectors_of(index)
    data = bytearray(vectors.read_bytes())
    data[3] ^= 1
    vectors.write_bytes(data[:-1])
    assert index.get("d1", "1.mp4") is None
    assert index.get("d2", "2.mp4") is None
    peaks = index.peaks(torch.ones(WIDTH), {"d1", "d2"})
    assert peaks is not None
    assert peaks.places.digests == ["d1"]  # no vector is missing of it
    for number in (1, 2):
        index.add(f"d{number}", entry_of(number))
        assert_equal(index.get(f"d{number}", f"{number}.mp4"), entry_of(number))
    (index.folder / "catalogue.sqlite").write_bytes(b"no catalogue" * 500)
    assert index.get("d1", "1.mp4") is None
    (info,) = indexes(tmp_path)
    assert info.videos == 0
    index.add("d1", entry_of(1))
    assert_equal(index.get("d1", "1.mp4"), entry_of(1))


def test_vectors_that_are_gone_take_no_later_video_with_them(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d1", entry_of(1))
    (index.folder / vectors_of(index)).unlink()
    index.add("d2", entry_of(2))
    assert index.get("d1", "a.mp4") is None
    assert_equal(index.get("d2", "2.mp4"), entry_of(2))


def test_an_index_that_does_not_say_where_its_vectors_are_is_made_anew(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d1", entry_of(1))
    with closing(sqlite3.connect(index.folder / FILE_NAME)) as connection, connection:
        connection.execute("DELETE FROM about WHERE name = 'vectors'")
    assert index.get("d1", "a.mp4") is None
    index.add("d2", entry_of(2))
    assert_equal(index.get("d2", "2.mp4"), entry_of(2))


def test_vectors_that_are_no_numbers_are_refused_and_cost_no_other(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d1", entry_of(1))
    bad = entry_of(2)
    bad.vectors[1, 2] = np.nan
    with pytest.raises(IndexUnwritable, match="not all numbers"):
        index.add("d2", bad)
    assert_equal(index.get("d1", "1.mp4"), entry_of(1))


def test_details_of_another_version_are_a_miss(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d", entry_of(1))
    with sqlite3.connect(index.folder / "catalogue.sqlite") as connection:
        connection.execute("UPDATE videos SET details = x'00'")
    connection.close()
    assert index.get("d", "1.mp4") is None


def test_clear_removes_indexes_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a", "b"):
        index_in(tmp_path, retriever=name).add("d", entry_of(1))
    other = tmp_path / "moments" / "mine.txt"
    other.write_text("mine")
    removed = clear(tmp_path)
    assert [info.videos for info in removed] == [1, 1]
    assert not clear(tmp_path)
    assert other.exists()
    index = index_in(tmp_path, retriever="a")
    index.add("d", entry_of(2))  # also after somebody removed it
    assert_equal(index.get("d", "2.mp4"), entry_of(2))


def test_who_may_only_read_reads(tmp_path: Path, nobody) -> None:  # type: ignore[no-untyped-def]
    tmp_path.chmod(0o755)
    index = index_in(tmp_path)
    index.add("d", entry_of(1))
    for each in (*index.folder.iterdir(), index.folder, index.folder.parent):
        each.chmod(0o755 if each.is_dir() else 0o644)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    with nobody():
        assert_equal(index.get("d", "1.mp4"), entry_of(1))
        with pytest.raises(IndexUnwritable):
            index.add("e", entry_of(2))


def test_vectors_of_another_width_are_refused(tmp_path: Path) -> None:
    index = index_in(tmp_path)
    index.add("d", entry_of(1))
    with pytest.raises(ValueError, match="7 numbers"):
        index.add("e", replace(entry_of(1), vectors=np.zeros((3, 5), np.float16)))
    with pytest.raises(ValueError, match="one vector a moment"):
        replace(entry_of(1), times_s=(0.0,))


def test_threads_keep_what_all_of_them_add(tmp_path: Path) -> None:
    def add(number: int) -> None:
        index_in(tmp_path).add(f"d{number}", entry_of(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [*range(9)] * 3))
    index = index_in(tmp_path)
    for number in range(9):
        assert_equal(index.get(f"d{number}", f"{number}.mp4"), entry_of(number))
    assert (index.folder / vectors_of(index)).stat().st_size == 9 * 3 * WIDTH * 2


ADD_FOREVER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_index import entry_of, index_in
index = index_in(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**6, 2):
    index.add(f"d{number}", entry_of(number % 50, frames=1 + number % 40))
    print(number, flush=True)
"""


@pytest.mark.slow
def test_two_processes_killed_at_any_moment_leave_it_whole(tmp_path: Path) -> None:
    """Each prints what it has added; all of that is there, whole, whenever it was killed."""
    added: set[int] = set()
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    for turn in range(4):
        start = 1000 * turn
        command = [sys.executable, "-c", ADD_FOREVER, str(tmp_path)]
        pair = [
            subprocess.Popen([*command, str(start + each), *paths], stdout=subprocess.PIPE, text=True)
            for each in (0, 1)
        ]
        for process in pair:
            assert process.stdout is not None
            process.stdout.readline()  # it is at work
        time.sleep(0.05 + 0.11 * turn)
        for process in pair:
            os.kill(process.pid, signal.SIGKILL)
        for each, process in enumerate(pair):
            said = process.communicate()[0].splitlines()
            added |= {start + each, *map(int, (line for line in said if line.isdigit()))}
        index = index_in(tmp_path)
        for number in sorted(added):
            kept = index.get(f"d{number}", f"{number % 50}.mp4")
            assert_equal(kept, entry_of(number % 50, frames=1 + number % 40))
    assert len(added) > 8
