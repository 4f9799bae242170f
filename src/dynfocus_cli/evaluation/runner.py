"""`dynfocus eval run`: each question by each arm, once, into a file of predictions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from pathlib import Path

import torch

from dynfocus_cli import pipeline
from dynfocus_cli.batch.lookahead import one_ahead
from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.result_key import Content, content_of, settings_of
from dynfocus_cli.batch.results import ResultFile, StoredResult
from dynfocus_cli.batch.videos import check
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.evaluation.arms import Arm, options_of, tokens_of
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.records import Conditions, failure_record, prediction_record
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.files import known_digest
from dynfocus_cli.models.protocol import Backend, ModelSpec, Wording
from dynfocus_cli.multiple_choice import listed
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.prefetch import Prefetch, start_prefetch
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.types import Answer, ModelInfo, Option, Prompt, VideoSource
from dynfocus_cli.video import Subtitles, probe


@dataclass(frozen=True, slots=True)
class Step:
    """One question that one arm answers."""

    item: Item
    arm: Arm


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
    """The questions of a run, and how they are answered."""

    conditions: Conditions
    items: Sequence[Item]
    """Those of one video stand together."""
    arms: Sequence[Arm]
    options: RunOptions
    retry_failed: bool = False
    memory_cache: MemoryFeatureCache = field(default_factory=MemoryFeatureCache)

    @property
    def steps(self) -> int:
        """How many predictions there will be."""
        return len(self.items) * len(self.arms)

    def settings(self, model: ModelInfo) -> str:
        """All that a prediction depends on beside video, question and arm, as `name=value` words."""
        words = [f"{name}={value}" for name, value in self.conditions.words.items()]
        return f"{settings_of('eval', model, self.options)} {shlex.join(words)}"

    def run(
        self,
        load: Callable[[], Backend],
        results: ResultFile,
        failure_of: Callable[[Exception], tuple[int, str, str]],
        shown: Callable[[Step], AbstractContextManager[Progress]],
        spelled: Callable[[Answer], Answer] = lambda answer: answer,
    ) -> Iterator[Outcome]:
        """Answers what `results` lacks, one step after the other as outcomes are asked for.

        A step that fails becomes a record that says why, and stops no other. The model is loaded before the
        first step that needs it.

        Args:
            failure_of: exit code, kind and message of an error.
            shown: shows the progress of a step.
            spelled: an answer whose warnings name options as its reader knows them.
        """
        return _Run(self, load, results, failure_of, shown, spelled).outcomes()


@dataclass(slots=True)
class _Run:
    """An evaluation at work."""

    evaluation: Evaluation
    load: Callable[[], Backend]
    results: ResultFile
    failure_of: Callable[[Exception], tuple[int, str, str]]
    shown: Callable[[Step], AbstractContextManager[Progress]]
    spelled: Callable[[Answer], Answer]
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
        content = self._content(items[0])
        for step in self._steps(items):
            stored = self._stored(step, content)
            if stored is not None:
                yield Outcome(step, None, stored.failed)
                continue
            code: int | None = None
            obstacle = unreadable or self._preparation_error(step.item)
            if self.model is None and obstacle is None and _is_there(video):
                self.model = self.load()
            error: Exception | None = None
            with self.shown(step) as progress:
                try:
                    if obstacle is not None:
                        raise obstacle
                    check(str(video))
                    source = source or probe(str(video))
                    record = self._predict(step, source, progress, prefetch)
                except Exception as problem:
                    unreadable = problem if isinstance(problem, VideoUnreadable) else None
                    error, failure = problem, self.failure_of(problem)
                    code = failure[0]
                    record = failure_record(self._conditions, step.item, step.arm.name, *failure)
            prefetch = None  # it was made for the first step alone
            self.results.add(str(video), content, _query(step.item), record, step.arm.name)
            yield Outcome(step, record, code, error)

    def _predict(
        self, step: Step, source: VideoSource, progress: Progress, prefetch: Prefetch | None
    ) -> Record:
        assert self.model is not None, "a video that passes the check was there before the model was loaded"
        model, item = self.model, step.item
        tokens = None if step.arm.is_stock else self._tokens(model.spec, source)
        device = model.spec.device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        answer = pipeline.ask(
            str(item.video),
            item.question,
            model,
            self._options(step, model.spec, source),
            progress,
            self._choices(item),
            prefetch,
            self.evaluation.memory_cache,
            self._prompt(item),
        )
        peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        return prediction_record(self._conditions, item, step.arm.name, self.spelled(answer), tokens, peak)

    def _prefetch(self, video: tuple[Path, Sequence[Item]]) -> Prefetch | None:
        """Begins with a video while another is at work; what is wrong with it is reported at its turn."""
        path, items = video
        try:
            self._conditions.benchmark.prepare(items[0])
            content = content_of(str(path), digest=self._digest)
            step = next(self._steps(items))
            if self.model is None or self._stored(step, content) is not None:
                return None
            check(str(path))
            source = probe(str(path))
            options = self._options(step, self.model.spec, source)
            choices, prompt = self._choices(step.item), self._prompt(step.item)
            return start_prefetch(str(path), step.item.question, self.model, options, choices, prompt)
        except Exception:
            return None

    def _steps(self, items: Sequence[Item]) -> Iterator[Step]:
        return (Step(item, arm) for item in items for arm in self.evaluation.arms)

    def _stored(self, step: Step, content: Content) -> StoredResult | None:
        """What an earlier run stored of a step; None where it is to be done."""
        stored = self.results.find(str(step.item.video), content, _query(step.item), step.arm.name)
        if stored is None or stored.failed is None or stored.fresh:
            return stored
        return None if self.evaluation.retry_failed else stored

    def _options(self, step: Step, model: ModelSpec, source: VideoSource) -> RunOptions:
        options, subtitles = self.evaluation.options, step.item.subtitles
        if self._conditions.subtitles and subtitles is not None and self._prompt(step.item) is None:
            options = replace(options, subtitles=str(subtitles))
        return options_of(step.arm, model, source, options, self._tokens(model, source))

    def _tokens(self, model: ModelSpec, source: VideoSource) -> int:
        return tokens_of(model, source, self.evaluation.options, self._conditions.tokens)

    def _choices(self, item: Item) -> tuple[Option, ...]:
        return item.options if self._conditions.scoring == "likelihood" else ()

    def _prompt(self, item: Item) -> CustomPrompt | None:
        """The benchmark's; None where it is worded as `ask` words it, which is left to the model: it may have
        learned another wording of the same."""
        benchmark, protocol = self._conditions.benchmark, self._conditions.protocol
        own = item.question
        if self._choices(item):
            own = listed(item.question, item.options)
        if benchmark.prompt(item, protocol) == Prompt(own):
            return None
        wording: Wording = lambda lines: benchmark.prompt(item, protocol, lines)  # noqa: E731
        if not self._conditions.subtitles:
            return CustomPrompt(wording)
        origin = item.subtitles.name if item.subtitles else ""
        return CustomPrompt(wording, Subtitles(benchmark.cues(item), origin))

    def _content(self, item: Item) -> Content:
        self._preparation_error(item)  # it is said where the video is to be read
        return content_of(str(item.video), digest=self._digest)

    def _preparation_error(self, item: Item) -> Exception | None:
        """Why the benchmark cannot make the item's video; None where it can, or has nothing to make."""
        try:
            self._conditions.benchmark.prepare(item)
        except Exception as error:
            return error
        return None

    def _digest(self, path: str) -> str:
        cache = FeatureCache.default() if self.evaluation.options.decoding.cache else None
        return known_digest(path) if cache is None else cache.digest(path)

    @property
    def _conditions(self) -> Conditions:
        return self.evaluation.conditions


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


def _query(item: Item) -> Query:
    return Query(item.question, item.id, item.options)
