"""A worker of an engine: it loads the model once, and answers what is asked about one video after another.

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
from typing import IO, TYPE_CHECKING

from dynfocus_cli.batch import videos as batch_videos
from dynfocus_cli.batch.remote_videos import is_remote, local_copy, remote_content
from dynfocus_cli.batch.result_key import Content, content_of, digest_function
from dynfocus_cli.batch.video_task import TaskFailure, TaskOutcome, TaskResult, VideoTask, WorkerSetup
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.progress import Silent

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.report.json import Record


class VideoWorker:
    """Answers tasks. Two threads may call `answer` at once: one computes, the other begins to decode."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._model: Backend | None = None
        self._computing = Lock()
        for name, value in setup.environment.items():
            os.environ.setdefault(name, value)

    def load(self) -> TaskFailure | float:
        """Loads the model; returns the seconds that it took, or why there is none."""
        start_s = time.monotonic()
        try:
            from dynfocus_cli.device import take_memory_share

            take_memory_share(self._setup.memory_share)
            self._model = self._setup.load()
        except Exception as error:
            return TaskFailure(*self._setup.failure_of(error))
        return time.monotonic() - start_s

    def answer(self, task: VideoTask) -> TaskOutcome:
        """Answers the questions of a task, each by itself."""
        watchdog = Watchdog(self._setup.stall_s)
        content: Content | None = None
        try:
            watchdog.alive()
            with local_copy(task.video, watchdog.alive) as path:
                content = self._content(task.video, path)
                prefetch = self._prefetch(path, task.queries[0])
                with self._computing:
                    results = self._results(task, path, prefetch, watchdog)
        except Exception as error:  # of the copy, or of a file system that went away
            failure = TaskFailure(*self._setup.failure_of(error))
            results = [TaskResult(query, None, (), failure) for query in task.queries]
        finally:
            watchdog.stop()
        return TaskOutcome(task, tuple(results), content)

    def _results(
        self, task: VideoTask, path: str, prefetch: Prefetch | None, watchdog: Watchdog
    ) -> list[TaskResult]:
        from dynfocus_cli.features.memory_cache import MemoryFeatureCache

        results: list[TaskResult] = []
        unreadable: VideoUnreadable | None = None
        memory_cache = MemoryFeatureCache()  # a video is encoded once for all of its questions
        for query in task.queries:
            watchdog.alive()
            try:
                if unreadable is not None:
                    raise unreadable
                self._check(path)
                record, warnings = self._result(path, query, prefetch, watchdog, memory_cache)
                if path != task.video:
                    record["video"] = task.video
                results.append(TaskResult(query, record, warnings))
            except Exception as error:
                unreadable = error if isinstance(error, VideoUnreadable) else None
                code, kind, message = self._setup.failure_of(error)
                failure = TaskFailure(code, kind, message.replace(path, task.video))
                results.append(TaskResult(query, None, (), failure))
            prefetch = None  # it was made for the first question alone
        return results

    def _result(
        self,
        path: str,
        query: Query | None,
        prefetch: Prefetch | None,
        watchdog: Watchdog,
        memory_cache: object,
    ) -> tuple[Record, tuple[str, ...]]:
        from dynfocus_cli import pipeline
        from dynfocus_cli.report.json import answer_record, inspection_record

        assert self._model is not None, "a worker gets tasks once it has its model"
        setup = self._setup
        more = prefetch, memory_cache
        if setup.command == "inspect":
            text = None if query is None else query.text
            inspection = setup.spelled(
                pipeline.inspect(path, text, self._model, setup.options, watchdog, *more)  # type: ignore[arg-type]
            )
            return inspection_record(inspection), inspection.warnings
        assert query is not None, "there is no asking without a question"
        answer = setup.spelled(
            pipeline.ask(path, query.text, self._model, setup.options, watchdog, query.choices, *more)  # type: ignore[arg-type]
        )
        return answer_record(answer), answer.evidence.warnings

    def _prefetch(self, path: str, query: Query | None) -> Prefetch | None:
        """Begins to decode; what is wrong with the video is reported at its turn."""
        from dynfocus_cli.pipeline.prefetch import start_prefetch

        assert self._model is not None, "a worker gets tasks once it has its model"
        options = self._setup.options
        with suppress(Exception):
            batch_videos.check(path)
            if query is None:
                return start_prefetch(path, None, self._model, options)
            choices = query.choices if self._setup.command == "ask" else ()
            return start_prefetch(path, query.text, self._model, options, choices)
        return None

    def _content(self, video: str, path: str) -> Content:
        if is_remote(video):
            return remote_content(video)
        options = self._setup.options
        digest = digest_function(cache=options.decoding.cache)
        return content_of(path, digest=digest, subtitles_beside=options.subtitles == "auto")

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
    """Ends the process where nothing goes on for too long, even where a library keeps Python from running.

    Args:
        stall_s: seconds without progress.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._set_s = float("-inf")
        self._log: IO[str] = sys.__stderr__ or open(os.devnull, "w")  # noqa: SIM115

    def alive(self) -> None:
        """Something goes on."""
        now_s = time.monotonic()
        if now_s - self._set_s >= min(1.0, self._stall_s / 4):
            self._set_s = now_s
            faulthandler.dump_traceback_later(self._stall_s, exit=True, file=self._log)

    def stop(self) -> None:
        """Nothing is to go on."""
        faulthandler.cancel_dump_traceback_later()

    def stage(self, name: str, total: int | None) -> None:
        self.alive()

    def advance(self, n: int) -> None:
        self.alive()

    def write(self, text: str) -> None:
        self.alive()
