"""`eval run` with `--engine ray`: workers carry steps out, and this process alone writes the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from threading import Lock

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.batch.same_model import SameModel
from dynfocus_cli.batch.video_task import TaskFailure, TaskOutcome, VideoTask
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.cli.sharing import SharedRun, share_out
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.records import failure_record
from dynfocus_cli.evaluation.runner import Evaluation, video_of
from dynfocus_cli.evaluation.step_work import StepRequest, StepWork
from dynfocus_cli.evaluation.stored_steps import StoredSteps


def evaluate_by_ray(
    evaluation: Evaluation, model: ModelRequest, results: ResultFile, engine: EngineOptions, *, quiet: bool
) -> list[int]:
    """Carries out what `results` lacks, by workers on a Ray cluster.

    Returns:
        The exit codes of the steps that failed.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """
    run = SharedEvaluation(evaluation, results)
    arms = tuple(arm.name for arm in evaluation.arms)
    load = SameModel(model.load, model.spec().info)
    share_out(run, StepWork(evaluation.executor, arms, load), model, engine, quiet=quiet)
    return run.failures


class SharedEvaluation(SharedRun):
    """The items of an evaluation by each of its arms; predictions go into its file."""

    stage = "evaluate"

    def __init__(self, evaluation: Evaluation, results: ResultFile) -> None:
        self._evaluation = evaluation
        self._stored = StoredSteps(evaluation.executor, results, evaluation.retry_failed)
        self._had_results = results.count > 0
        """Else no video has to be read to look it up."""
        self._benchmark = evaluation.executor.conditions.benchmark
        self._done = self._failed = 0
        self._counting = Lock()
        """Steps that are passed over are counted by the thread that makes tasks."""
        self.failures: list[int] = []
        """Exit codes, those of earlier runs among them."""

    @property
    def total(self) -> int:
        return self._evaluation.steps

    @property
    def done(self) -> int:
        return self._done

    @property
    def failed(self) -> int:
        return self._failed

    def tasks(self) -> Iterator[VideoTask]:
        """Each video with the items and arms that the file has no prediction of."""
        for video, items in groupby(self._evaluation.items, video_of):
            requests = tuple(self._missing(video, list(items)))
            task = VideoTask(str(video), requests)
            if requests and (self._benchmark.makes_videos or self.is_there(task)):
                yield task

    def _missing(self, video: Path, items: Sequence[Item]) -> Iterator[StepRequest]:
        requests = (StepRequest(item, arm.name) for item in items for arm in self._evaluation.arms)
        if not self._had_results or (self._benchmark.makes_videos and not video.exists()):
            yield from requests  # a video that its worker is to make has no prediction yet
            return
        content = self._stored.content(items[0])
        for request in requests:
            stored = self._stored.find(request.item, request.arm, content)
            if stored is None:
                yield request
            else:
                self._count(stored.failed, fresh=False)

    def take(self, outcome: TaskOutcome) -> None:
        said: TaskFailure | None = None
        for result in outcome.results:
            item, arm = result.request
            record, failure = result.record, result.failure
            if failure is not None:
                record = failure_record(self._evaluation.executor.conditions, item, arm, *failure)
            assert record is not None, "a result has a record or a failure"
            self._stored.add(item, arm, outcome.content or self._stored.content(item), record)
            self._count(None if failure is None else failure.code, fresh=True)
            if failure is not None and failure != said:  # a video's fails all its steps
                say(f"Error: {item.id}, {arm}: {failure.message}")
                said = failure

    def _count(self, failed: int | None, *, fresh: bool) -> None:
        with self._counting:
            self._done += 1
            if failed is not None:
                self.failures.append(failed)
                self._failed += fresh
