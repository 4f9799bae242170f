"""`--engine ray`: workers share the videos of a run, and this process alone writes the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from dynfocus_cli.batch.remote_videos import is_remote
from dynfocus_cli.batch.video_task import TaskOutcome, TaskResult, VideoTask, WorkerSetup, failed_outcome
from dynfocus_cli.batch.videos import check
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.bars import Bars, bars
from dynfocus_cli.cli.errors import Failure, failure_of, say
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.job import Job, conclude_run, report_failure
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.errors import UsageError, VideoUnreadable

if TYPE_CHECKING:
    from dynfocus_cli.batch.ray_pool import PoolSize, WorkerPool

PASSED_ON = re.compile(r"DYNFOCUS_|HF_|TRANSFORMERS_|TORCH_|XDG_|AWS_|GOOGLE_|AZURE_")
"""Beginnings of the names of variables that workers are given: folders of models, stores' credentials."""


def for_each_by_ray(
    command: Literal["ask", "inspect"], job: Job, model: ModelRequest, engine: EngineOptions
) -> None:
    """Does what `for_each` does, by workers on a Ray cluster.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
        SomeVideosFailed: some failed.
    """
    assert job.results is not None, "this engine writes a file"
    setup = WorkerSetup(
        command,
        model.load,
        job.options,
        failure_of,
        result_with_flags,
        {name: value for name, value in os.environ.items() if PASSED_ON.match(name)},
        engine.stall_s,
        min(engine.gpus_per_worker or 1.0, 1.0),
    )
    run = Sharing(job)
    tasks = run.tasks()
    first = next(tasks, None)
    if first is not None:  # else nobody has to be started
        from dynfocus_cli.batch.ray_cluster import cluster
        from dynfocus_cli.batch.ray_pool import WorkerPool

        if engine.address is not None:
            say(f"Videos are shared out among the machines of the Ray cluster at {engine.address}.")
        with cluster(engine.address, engine.local_cpus) as ray:
            size = _size(ray, model, engine)
            run.go(WorkerPool(ray, setup, size, engine.tries), first, tasks)
    conclude_run(job, run.given, run.failures)


def _size(ray: Any, model: ModelRequest, engine: EngineOptions) -> PoolSize:
    """How many workers there are to be: what the user said, or as many as the cluster holds."""
    from dynfocus_cli.batch.ray_pool import PoolSize

    there = ray.cluster_resources()
    gpus = engine.gpus_per_worker
    if gpus is None:
        gpus = 0.0 if model.device == "cpu" or not there.get("GPU") else 1.0
    room = there.get("CPU", 1) // engine.cpus_per_worker
    if gpus:
        room = min(room, there.get("GPU", 0) // gpus)
    least, most = engine.bounds or (1, max(1, int(room)))
    if engine.address is None and least > max(room, 0):
        raise UsageError(
            f"`workers` {least} do not fit into this machine: it has {there.get('CPU', 0):g} CPUs and "
            f"{there.get('GPU', 0):g} GPUs, and each takes {engine.cpus_per_worker:g} and {gpus:g}."
        )
    return PoolSize(least, most, engine.cpus_per_worker, gpus)


class Sharing:
    """A run by workers, as this process sees it: what is handed out, and what comes back."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.given = 0
        self.failures: list[int] = []
        self._counting = Lock()
        """Videos that are not there are reported by the thread that makes tasks."""

    def tasks(self) -> Iterator[VideoTask]:
        """Each video with the questions that the file has no answer to."""
        results = self._job.results
        assert results is not None
        met = set[str]()
        for video in self._job.paths:
            if video in met:
                continue
            met.add(video)
            queries = tuple(
                query
                for query in self._job.questions.of(video)
                if not (results.had_results and results.pass_over(video, query))
            )
            if queries and self._is_there(task := VideoTask(video, queries)):
                yield task

    def _is_there(self, task: VideoTask) -> bool:
        """Whether this machine sees the video; reports it if not."""
        try:
            if not is_remote(task.video):
                check(task.video)
        except VideoUnreadable as error:
            self.take(failed_outcome(task, *failure_of(error)))
            return False
        return True

    def go(self, pool: WorkerPool, first: VideoTask, rest: Iterator[VideoTask]) -> None:
        """Has the tasks done, and writes what comes."""
        job = self._job
        with_bars = display.is_visible(job.quiet)

        def tasks() -> Iterator[VideoTask]:
            yield first
            yield from rest

        outcomes = pool.run(tasks())
        try:
            with bars("") if with_bars else nullcontext() as bar:
                if bar is not None:
                    bar.stage("share out", job.total)
                self._follow(pool, outcomes, bar)
        except KeyboardInterrupt as interrupt:
            assert job.results is not None
            interrupt.add_note(f"Run the same command again to go on with {job.results.path}.")
            raise
        finally:
            outcomes.close()  # type: ignore[attr-defined]
            self._say(pool)
            job.warnings.conclude(job.results_name)

    def _follow(self, pool: WorkerPool, outcomes: Iterator[TaskOutcome | None], bar: Bars | None) -> None:
        job, shown = self._job, 0
        for outcome in outcomes:
            self._say(pool)
            if outcome is not None:
                self.take(outcome)
            if bar is not None:
                done = self.given + (0 if job.results is None else job.results.done)
                bar.advance(done - shown)
                shown = done
                failed = f"{len(self.failures)} failed, " if self.failures else ""
                bar.tell(f"{failed}{pool.working} worker{'' if pool.working == 1 else 's'}")

    def take(self, outcome: TaskOutcome) -> None:
        """Writes what became of a task into the file."""
        for result in outcome.results:
            self._take(outcome, result)

    def _take(self, outcome: TaskOutcome, result: TaskResult) -> None:
        job, video = self._job, outcome.task.video
        with self._counting:
            self.given += 1
        if result.failure is not None:
            self.failures.append(result.failure.code)
            report_failure(job, video, result.query, Failure(*result.failure), outcome.content)
            return
        assert result.record is not None, "a result has a record or a failure"
        job.put(video, result.query, result.record, outcome.content)
        job.warn(result.warnings, job.where(video, result.query))

    def _say(self, pool: WorkerPool) -> None:
        while pool.warnings:
            say(f"Warning: {pool.warnings.pop(0)}")
