"""`ask` and `inspect` with `--engine ray`: workers answer, and this process alone writes the file."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Literal

from dynfocus_cli.batch.question_work import QuestionWork
from dynfocus_cli.batch.same_model import SameModel
from dynfocus_cli.batch.video_task import TaskOutcome, TaskResult, VideoTask
from dynfocus_cli.cli.errors import Failure
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.job import Job, conclude_run, report_failure
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.cli.sharing import SharedRun, share_out


def for_each_by_ray(
    command: Literal["ask", "inspect"], job: Job, model: ModelRequest, engine: EngineOptions
) -> None:
    """Does what `for_each` does, by workers on a Ray cluster.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
        SomeVideosFailed: some failed.
    """
    run = SharedJob(job)
    load = SameModel(model.load, model.spec().info)
    work = QuestionWork(command, load, job.options, result_with_flags)
    try:
        share_out(run, work, model, engine, quiet=job.quiet)
    finally:
        job.warnings.conclude(job.results_name)
    conclude_run(job, run.given, run.failures)


class SharedJob(SharedRun):
    """The videos and questions of a job; results go into its file."""

    def __init__(self, job: Job) -> None:
        assert job.results is not None, "this engine writes a file"
        self._job, self._results = job, job.results
        self.given = 0
        self.failures: list[int] = []
        """Exit codes."""
        self._counting = Lock()
        """Videos that are not there are reported by the thread that makes tasks."""
        self.resume_note = f"Run the same command again to go on with {job.results.path}."

    @property
    def total(self) -> int | None:
        return self._job.total

    @property
    def done(self) -> int:
        return self.given + self._results.done

    @property
    def failed(self) -> int:
        return len(self.failures)

    def tasks(self) -> Iterator[VideoTask]:
        """Each video with the questions that the file has no answer to."""
        met = set[str]()
        for video in self._job.paths:
            if video in met:
                continue
            met.add(video)
            queries = tuple(
                query
                for query in self._job.questions.of(video)
                if not (self._results.had_results and self._results.pass_over(video, query))
            )
            if queries and self.is_there(task := VideoTask(video, queries)):
                yield task

    def take(self, outcome: TaskOutcome) -> None:
        for result in outcome.results:
            self._take(outcome, result)

    def _take(self, outcome: TaskOutcome, result: TaskResult) -> None:
        job, video = self._job, outcome.task.video
        with self._counting:
            self.given += 1
        if result.failure is not None:
            self.failures.append(result.failure.code)
            report_failure(job, video, result.request, Failure(*result.failure), outcome.content)
            return
        assert result.record is not None, "a result has a record or a failure"
        job.put(video, result.request, result.record, outcome.content)
        job.warn(result.warnings, job.where(video, result.request))
