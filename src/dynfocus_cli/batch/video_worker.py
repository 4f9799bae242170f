"""A worker of an engine: it loads the model once, and does what is wanted of one video after another.

It knows nothing of the engine that runs it. Errors are results, never exceptions: what is raised here is lost
on the way, or stops other videos.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import time
from contextlib import suppress
from threading import Lock
from typing import IO, Any, ClassVar, NoReturn

from dynfocus_cli.batch import videos as batch_videos
from dynfocus_cli.batch.remote_videos import is_remote, local_copy, remote_content
from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.batch.video_task import TaskFailure, TaskOutcome, TaskResult, VideoTask
from dynfocus_cli.batch.video_work import Make, WorkerSetup
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.progress import Silent

LOG: IO[str] = sys.__stderr__ or open(os.devnull, "w")  # noqa: SIM115
"""Where a process that ends itself says what its threads were at."""


class VideoWorker:
    """Does tasks. Two threads may call `answer` at once: one computes, the other begins to decode."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._model: Any = None
        self._computing = Lock()
        for name, value in setup.environment.items():
            os.environ.setdefault(name, value)
        with suppress(OSError):  # on a machine without the folder only full paths lead anywhere
            os.chdir(setup.folder)

    def load(self) -> TaskFailure | float:
        """Loads the model; returns the seconds that it took, or why there is none."""
        start_s = time.monotonic()
        try:
            from dynfocus_cli.device import take_memory_share
            from dynfocus_cli.video.container import take_cores

            take_memory_share(self._setup.memory_share)
            if self._setup.cores is not None:
                take_cores(self._setup.cores)
            self._model = self._setup.work.load()
        except Exception as error:
            return TaskFailure(*self._setup.failure_of(error))
        return time.monotonic() - start_s

    def answer(self, task: VideoTask) -> TaskOutcome:
        """Makes the records that a task asks for, each by itself."""
        watchdog = Watchdog(self._setup.stall_s)
        content: Content | None = None
        try:
            watchdog.alive()
            with local_copy(task.video, watchdog.alive) as path:
                make = self._begin(task, path)
                content = self._content(task.video, path)
                watchdog.stop()  # while another video is at work
                with self._computing:
                    results = self._results(task, path, make, watchdog)
        except Exception as error:  # of the copy, or of a file system that went away
            failure = TaskFailure(*self._setup.failure_of(error))
            results = [TaskResult(request, None, (), failure) for request in task.requests]
        finally:
            watchdog.stop()
        return TaskOutcome(task, tuple(results), content)

    def _results(self, task: VideoTask, path: str, make: Make, watchdog: Watchdog) -> list[TaskResult]:
        results: list[TaskResult] = []
        unreadable: VideoUnreadable | None = None
        for request in task.requests:
            watchdog.alive()
            try:
                if unreadable is not None:
                    raise unreadable
                self._check(path)
                record, warnings = make(request, watchdog)
                if path != task.video:
                    record["video"] = task.video
                results.append(TaskResult(request, record, warnings))
            except Exception as error:
                unreadable = error if isinstance(error, VideoUnreadable) else None
                code, kind, message = self._setup.failure_of(error)
                failure = TaskFailure(code, kind, message.replace(path, task.video))
                results.append(TaskResult(request, None, (), failure))
        return results

    def _begin(self, task: VideoTask, path: str) -> Make:
        """What makes the records; if it cannot begin, what says so for each of them."""
        try:
            return self._setup.work.begin(path, task.requests[0], self._model)
        except Exception as error:
            obstacle = error

        def fail(request: object, progress: object) -> NoReturn:
            raise obstacle

        return fail

    def _content(self, video: str, path: str) -> Content:
        return remote_content(video) if is_remote(video) else self._setup.work.content(path)

    def _check(self, path: str) -> None:
        """Raises VideoUnreadable; the machine that handed out the task sees the video."""
        try:
            batch_videos.check(path)
        except VideoUnreadable as error:
            raise VideoUnreadable(
                f"The worker on {socket.gethostname()} does not see {path}: mount its folder at the same "
                f"path on every machine ({error})"
            ) from error


class Watchdog(Silent):
    """Ends the process where nothing goes on with a task for too long, even where a library keeps Python from
    running.

    A process has one timer for its tasks, which runs out for the one that has been without progress longest.

    Args:
        stall_s: seconds without progress.
    """

    _timer = Lock()
    _deadlines_s: ClassVar[dict[Watchdog, float]] = {}
    """Of the tasks that are to go on, of the process's clock."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._set_s = float("-inf")

    def alive(self) -> None:
        """Something goes on."""
        now_s = time.monotonic()
        if now_s - self._set_s >= min(1.0, self._stall_s / 4):
            self._set_s = now_s
            with self._timer:
                self._deadlines_s[self] = now_s + self._stall_s
                self._set_timer()

    def stop(self) -> None:
        """Nothing is to go on: the task has ended, or waits for another one."""
        self._set_s = float("-inf")
        with self._timer:
            self._deadlines_s.pop(self, None)
            self._set_timer()

    def _set_timer(self) -> None:
        if not self._deadlines_s:
            faulthandler.cancel_dump_traceback_later()
            return
        left_s = max(min(self._deadlines_s.values()) - time.monotonic(), 0.001)
        faulthandler.dump_traceback_later(left_s, exit=True, file=LOG)

    def stage(self, name: str, total: int | None) -> None:
        self.alive()

    def advance(self, n: int) -> None:
        self.alive()

    def write(self, text: str) -> None:
        self.alive()
