"""`dynfocus eval run`: each item by each arm, once, into a file of predictions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from dynfocus_cli.batch.lookahead import one_ahead
from dynfocus_cli.batch.result_key import settings_of
from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.batch.videos import check
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.evaluation.arm import Arm
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.records import Conditions, failure_record
from dynfocus_cli.evaluation.step import Executor, Step
from dynfocus_cli.evaluation.stored_steps import StoredSteps
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import probe


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    step: Step
    record: Record | None
    """What is new in the file; None where an earlier run had done it."""
    code: int | None = None
    """What its failure alone would exit with; None where it did not fail."""
    error: Exception | None = None

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.code is not None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The items of a run, and what is done with them."""

    executor: Executor
    items: Sequence[Item]
    """Those of one video stand together."""
    arms: Sequence[Arm]
    retry_failed: bool = False

    @property
    def steps(self) -> int:
        """How many predictions there will be."""
        return len(self.items) * len(self.arms)

    def settings(self, model: ModelSpec) -> str:
        """All that a prediction depends on beside video, question and arm, as `name=value` words."""
        named = {**self.executor.conditions.words, **self.executor.settings(model)}
        words = [f"{name}={value}" for name, value in named.items()]
        return f"{settings_of('eval', model.info, self.executor.options)} {shlex.join(words)}"

    def run(
        self,
        load: Callable[[], Backend],
        results: ResultFile,
        failure_of: Callable[[Exception], tuple[int, str, str]],
        shown: Callable[[Step], AbstractContextManager[Progress]],
    ) -> Iterator[Outcome]:
        """Carries out what `results` lacks, one step after the other as outcomes are asked for.

        A step that fails becomes a record that says why, and stops no other. The model is loaded before the
        first step that needs it.

        Args:
            failure_of: exit code, kind and message of an error.
            shown: shows the progress of a step.
        """
        stored = StoredSteps(self.executor, results, self.retry_failed)
        return _Run(self, load, stored, failure_of, shown).outcomes()


@dataclass(slots=True)
class _Run:
    """An evaluation at work."""

    evaluation: Evaluation
    load: Callable[[], Backend]
    stored: StoredSteps
    failure_of: Callable[[Exception], tuple[int, str, str]]
    shown: Callable[[Step], AbstractContextManager[Progress]]
    model: Backend | None = None

    def outcomes(self) -> Iterator[Outcome]:
        """One a step."""
        videos = [(video, list(items)) for video, items in groupby(self.evaluation.items, video_of)]
        for (video, items), prefetch in one_ahead(videos, self._prefetch):
            yield from self._of_video(video, items, prefetch)
            if prefetch is not None:
                prefetch.close()

    def _of_video(self, video: Path, items: Sequence[Item], prefetch: Prefetch | None) -> Iterator[Outcome]:
        source: VideoSource | None = None
        unreadable: VideoUnreadable | None = None
        content = self.stored.content(items[0])
        for step in self._steps(items):
            stored = self.stored.find(step.item, step.arm.name, content)
            if stored is not None:
                yield Outcome(step, None, stored.failed)
                continue
            code: int | None = None
            obstacle = unreadable or self.stored.preparation_error(step.item)
            if self.model is None and obstacle is None and _is_there(video):
                self.model = self.load()
            error: Exception | None = None
            with self.shown(step) as progress:
                try:
                    if obstacle is not None:
                        raise obstacle
                    check(str(video))
                    source = source or probe(str(video))
                    record = self._predicted(step, source, progress, prefetch)
                except Exception as problem:
                    unreadable = problem if isinstance(problem, VideoUnreadable) else None
                    error, failure = problem, self.failure_of(problem)
                    code = failure[0]
                    record = failure_record(self._conditions, step.item, step.arm.name, *failure)
            prefetch = None  # it was made for the first step alone
            self.stored.add(step.item, step.arm.name, content, record)
            yield Outcome(step, record, code, error)

    def _predicted(
        self, step: Step, source: VideoSource, progress: Progress, prefetch: Prefetch | None
    ) -> Record:
        assert self.model is not None, "a video that passes the check was there before the model was loaded"
        return self.evaluation.executor.predict(step, source, self.model, progress, prefetch)

    def _prefetch(self, video: tuple[Path, Sequence[Item]]) -> Prefetch | None:
        """Begins with a video while another is at work; what is wrong with it is reported at its turn."""
        path, items = video
        try:
            step = next(self._steps(items))
            stored = self.stored.find(step.item, step.arm.name, self.stored.content(step.item))
            if self.model is None or stored is not None:
                return None
            check(str(path))
            return self.evaluation.executor.prefetch(step, probe(str(path)), self.model)
        except Exception:
            return None

    def _steps(self, items: Sequence[Item]) -> Iterator[Step]:
        return (Step(item, arm) for item in items for arm in self.evaluation.arms)

    @property
    def _conditions(self) -> Conditions:
        return self.evaluation.executor.conditions


def video_of(item: Item) -> Path:
    """The video that a question is about."""
    return item.video


def by_video(items: Iterable[Item]) -> list[Item]:
    """The items in the order of their videos, as these first come."""
    of_videos: dict[Path, list[Item]] = {}
    for item in items:
        of_videos.setdefault(item.video, []).append(item)
    return list(chain.from_iterable(of_videos.values()))


def _is_there(video: Path) -> bool:
    try:
        check(str(video))
    except VideoUnreadable:
        return False
    return True
