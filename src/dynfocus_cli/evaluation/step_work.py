"""What the workers of an engine do for `eval run`: steps about a video are carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.batch.video_work import Make, VideoWork
from dynfocus_cli.batch.videos import check
from dynfocus_cli.evaluation.arm import Arm
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.step import Executor, Step
from dynfocus_cli.evaluation.stored_steps import step_content
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import probe


class StepRequest(NamedTuple):
    """A step as it crosses machines: the worker has the arms."""

    item: Item
    arm: str


@dataclass(frozen=True, slots=True)
class StepModel:
    """A model, and the arms that it is asked by."""

    backend: Backend
    arms: Mapping[str, Arm]


@dataclass(frozen=True, slots=True)
class StepWork(VideoWork):
    """Carries out steps; a request is a `StepRequest`."""

    executor: Executor
    arms: tuple[str, ...]
    load_model: Callable[[], Backend]

    def load(self) -> StepModel:
        model = self.load_model()
        return StepModel(model, {arm.name: arm for arm in self.executor.arms(self.arms, model.spec)})

    def begin(self, path: str, first: StepRequest, model: StepModel) -> Make:
        self.executor.conditions.benchmark.prepare(first.item)
        steps = _Steps(self.executor, path, model)
        with suppress(Exception):  # what is wrong with the video is reported at its turn
            check(path)
            steps.source = probe(path)
            steps.prefetch = self.executor.prefetch(steps.step(first), steps.source, model.backend)
        return steps.make

    def content(self, path: str) -> Content:
        return step_content(path, self.executor)


@dataclass(slots=True)
class _Steps:
    """Those about one video."""

    executor: Executor
    path: str
    model: StepModel
    source: VideoSource | None = None
    prefetch: Prefetch | None = None
    """Made for the first step alone."""

    def step(self, request: StepRequest) -> Step:
        return Step(request.item, self.model.arms[request.arm])

    def make(self, request: StepRequest, progress: Progress) -> tuple[Record, tuple[str, ...]]:
        prefetch, self.prefetch = self.prefetch, None
        self.source = self.source or probe(self.path)
        backend = self.model.backend
        return self.executor.predict(self.step(request), self.source, backend, progress, prefetch), ()
