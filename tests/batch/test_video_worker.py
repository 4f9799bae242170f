"""A worker of an engine, without an engine."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from dynfocus_cli.batch.ray_pool import PoolSize, WorkerPool
from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.batch.video_task import VideoTask
from dynfocus_cli.batch.video_work import Make, VideoWork, WorkerSetup
from dynfocus_cli.batch.video_worker import VideoWorker
from dynfocus_cli.cli.errors import failure_of
from dynfocus_cli.errors import DynFocusError, UsageError, VideoUnreadable
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.video import container


@dataclass(frozen=True, slots=True)
class Sizes(VideoWork):
    """The bytes of a file, and how often a request was made before with the same model."""

    def load(self) -> list[str]:
        return []

    def begin(self, path: str, first: str, model: list[str]) -> Make:
        if first == "no beginning":
            raise UsageError("It does not begin.")
        size = os.path.getsize(path)

        def make(request: str, progress: Progress) -> tuple[Record, tuple[str, ...]]:
            if request == "unreadable":
                raise VideoUnreadable(f"{path} cannot be read.")
            if request == "other":
                raise DynFocusError("Something else.")
            model.append(request)
            return {"video": path, "size": size, "count": model.count(request)}, (f"{request}!",)

        return make

    def content(self, path: str) -> Content:
        return Content(f"name:{path}")


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VideoWorker:
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path / "a.mp4").write_bytes(b"12345")
    setup = WorkerSetup(pickle.loads(pickle.dumps(Sizes())), failure_of, {}, str(tmp_path))
    worker = VideoWorker(setup)
    assert isinstance(worker.load(), float)
    return worker


def test_requests_about_a_video_have_a_record_each_and_paths_begin_at_the_drivers_folder(
    worker: VideoWorker,
) -> None:
    outcome = worker.answer(VideoTask("a.mp4", ("x", "x", "y")))
    assert [(one.request, one.record, one.warnings) for one in outcome.results] == [
        ("x", {"video": "a.mp4", "size": 5, "count": 1}, ("x!",)),
        ("x", {"video": "a.mp4", "size": 5, "count": 2}, ("x!",)),
        ("y", {"video": "a.mp4", "size": 5, "count": 1}, ("y!",)),
    ]
    assert outcome.content == Content("name:a.mp4")


def test_a_worker_decodes_on_the_processors_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of many workers on a large machine would start as many decoders as if it were alone."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(container, "_most_cores", None)
    setup = WorkerSetup(Sizes(), failure_of, {}, str(tmp_path))
    assert isinstance(VideoWorker(setup).load(), float)
    assert container.usable_cores() == 64
    assert isinstance(VideoWorker(replace(setup, cores=3)).load(), float)
    assert container.usable_cores() == 3
    ray = MagicMock()  # SUBSTITUTE: what the pool would start on a cluster
    WorkerPool(ray, setup, PoolSize(1, 1, 3, 0), 2)._start(1.0)
    start = ray.remote.return_value.options
    assert start.call_args.kwargs["num_cpus"] == 3
    assert start.return_value.remote.call_args.args == (replace(setup, cores=3),)


@pytest.mark.parametrize(
    ("requests", "kinds"),
    [
        (("x", "other", "x"), [None, "DynFocusError", None]),
        (("x", "unreadable", "x"), [None, "VideoUnreadable", "VideoUnreadable"]),
        (("no beginning", "x"), ["UsageError", "UsageError"]),
    ],
)
def test_what_fails_is_a_result(
    worker: VideoWorker, requests: tuple[Any, ...], kinds: list[str | None]
) -> None:
    outcome = worker.answer(VideoTask("a.mp4", requests))
    assert [one.failure and one.failure.kind for one in outcome.results] == kinds
    assert all((one.record is None) == (one.failure is not None) for one in outcome.results)


def test_a_video_that_the_worker_does_not_see_is_said_so(worker: VideoWorker) -> None:
    (result,) = worker.answer(VideoTask("/away/b.mp4", ("x",))).results
    assert result.failure is not None
    assert (result.failure.code, result.failure.kind) == (3, "VideoUnreadable")
    assert "does not see /away/b.mp4: mount its folder at the same path" in result.failure.message


NEIGHBOURS = """
import threading, time
from dynfocus_cli.batch.video_worker import Watchdog
hangs, goes_on, waits = Watchdog(0.5), Watchdog(0.5), Watchdog(0.5)
waits.alive()
waits.stop()
if {hangs}:
    hangs.alive()
end_s = time.monotonic() + {seconds}
while time.monotonic() < end_s:
    goes_on.alive()
    time.sleep(0.05)
goes_on.stop()
time.sleep({rest})
print("ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hangs", "seconds", "rest", "ends"), [(0, 1.2, 0.8, True), (1, 60, 0, False), (1, 0.2, 60, False)]
)
def test_a_task_that_hangs_ends_the_worker_whatever_its_neighbour_does(
    hangs: int, seconds: float, rest: float, ends: bool
) -> None:
    code = NEIGHBOURS.format(hangs=hangs, seconds=seconds, rest=rest)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode == 0, "ended" in done.stdout) == (ends, ends)
    assert ("Timeout" in done.stderr) != ends
