"""`index --engine ray`: workers embed videos, and this process alone writes the index and the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from dynfocus_cli.batch.index_work import KEPT, IndexWork
from dynfocus_cli.batch.remote_videos import is_remote
from dynfocus_cli.batch.same_model import SameModel
from dynfocus_cli.batch.video_task import TaskOutcome, TaskResult, VideoTask
from dynfocus_cli.cli.each_by_ray import SharedJob
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.job import Job, conclude_run
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.cli.sharing import share_out
from dynfocus_cli.errors import DynFocusError, VideoUnreadable

if TYPE_CHECKING:
    from dynfocus_cli.moments.indexing import IndexedVideo
    from dynfocus_cli.moments.library import Finder


def index_by_ray(job: Job, model: ModelRequest, finder: Finder, engine: EngineOptions) -> None:
    """Does what `index` does, by workers on a Ray cluster.

    Raises:
        UsageError: as `Finder.index`; Ray is not installed, or there is no cluster at the address.
        DynFocusError: the index cannot be written.
        SomeVideosFailed: some failed.
    """
    finder.index(job.options)
    run = SharedIndex(job, finder)
    try:
        work = IndexWork(SameModel(model.finder, finder.info), job.options)
        share_out(run, work, model, engine, quiet=job.quiet)
    finally:
        job.warnings.conclude(job.results_name)
    conclude_run(job, run.given, run.failures)


class SharedIndex(SharedJob):
    """The videos of a job; what workers see of them goes into the index, and a line for it into the file."""

    stage = "index"

    def __init__(self, job: Job, finder: Finder) -> None:
        super().__init__(job)
        self._finder, self._writing = finder, Lock()

    def tasks(self) -> Iterator[VideoTask]:
        """Each video that is not in the index; of those that are, the file is told at once."""
        for task in super().tasks():
            kept = None if is_remote(task.video) else self._kept_before(task.video)
            if kept is None:
                yield task
            else:
                self.take(TaskOutcome(task, (TaskResult(None, {KEPT: kept}),), None))

    def take(self, outcome: TaskOutcome) -> None:
        results = tuple(self._kept(outcome.task.video, result) for result in outcome.results)
        with self._writing:
            super().take(replace(outcome, results=results))

    def _kept_before(self, video: str) -> IndexedVideo | None:
        with suppress(VideoUnreadable):  # a worker says why
            if self._finder.is_kept(video, self._job.options):
                return self._finder.keep(video, self._job.options)
        return None

    def _kept(self, video: str, result: TaskResult) -> TaskResult:
        """A result with the record that the file has, once the index has the video."""
        from dynfocus_cli.report.index_record import index_record

        if result.record is None:
            return result
        kept: IndexedVideo = result.record[KEPT]
        entry = replace(kept.entry, source=replace(kept.entry.source, path=video))
        kept = self._finder.take(replace(kept, entry=entry), self._job.options)
        if kept.problem:
            raise unwritable(video, kept, self._finder, self._job)
        warnings = tuple(map(with_flags, (*entry.warnings, *kept.run_warnings)))
        return replace(result, record=index_record(kept, self._finder.info, warnings), warnings=warnings)


def unwritable(video: str, kept: IndexedVideo, finder: Finder, job: Job) -> DynFocusError:
    """What ends a run, since no other video could be kept either."""
    folder = finder.index(job.options).folder.parent
    return DynFocusError(
        f"{video} could not be kept in {folder} ({kept.problem}): free some space there, or name another "
        "folder with DYNFOCUS_CACHE_DIR."
    )
