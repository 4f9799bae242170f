"""Questions are asked: each arm spends its video tokens on an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dynfocus_cli import pipeline
from dynfocus_cli.evaluation.arms import TokenArm, choose_arms, options_of, tokens_of
from dynfocus_cli.evaluation.benchmark import QuestionBenchmark
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.records import Conditions, prediction_record
from dynfocus_cli.evaluation.step import Executor, Step, peak_memory, reset_peak_memory
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.protocol import Backend, ModelSpec, Wording
from dynfocus_cli.multiple_choice import listed
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.prefetch import Prefetch, start_prefetch
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.types import Answer, Option, Prompt, VideoSource
from dynfocus_cli.video import Subtitles


class QuestionExecutor(Executor):
    """Asks the questions of a benchmark.

    Args:
        spelled: an answer whose warnings name options as its reader knows them.
    """

    def __init__(
        self,
        conditions: Conditions,
        options: RunOptions,
        spelled: Callable[[Answer], Answer] = lambda answer: answer,
    ) -> None:
        super().__init__(conditions, options)
        assert isinstance(conditions.benchmark, QuestionBenchmark), "only questions can be asked"
        self._benchmark = conditions.benchmark
        self._spelled = spelled
        self._memory_cache = MemoryFeatureCache()

    def arms(self, names: Sequence[str] | None, model: ModelSpec) -> Sequence[TokenArm]:
        return choose_arms(names, model, self.options)

    def predict(
        self,
        step: Step,
        source: VideoSource,
        model: Backend,
        progress: Progress,
        prefetch: Prefetch | None,
    ) -> Record:
        item, arm = step.item, _arm(step)
        tokens = None if arm.is_stock else self._tokens(model.spec, source)
        reset_peak_memory(model)
        answer = pipeline.ask(
            str(item.video),
            item.question,
            model,
            self._options(step, model.spec, source),
            progress,
            self._choices(item),
            prefetch,
            self._memory_cache,
            self._prompt(item),
        )
        return prediction_record(
            self.conditions, item, arm.name, self._spelled(answer), tokens, peak_memory(model)
        )

    def prefetch(self, step: Step, source: VideoSource, model: Backend) -> Prefetch | None:
        item = step.item
        options = self._options(step, model.spec, source)
        return start_prefetch(
            str(item.video), item.question, model, options, self._choices(item), self._prompt(item)
        )

    def _options(self, step: Step, model: ModelSpec, source: VideoSource) -> RunOptions:
        options, subtitles = self.options, step.item.subtitles
        if self.conditions.subtitles and subtitles is not None and self._prompt(step.item) is None:
            options = replace(options, subtitles=str(subtitles))
        return options_of(_arm(step), model, source, options, self._tokens(model, source))

    def _tokens(self, model: ModelSpec, source: VideoSource) -> int:
        return tokens_of(model, source, self.options, self.conditions.tokens)

    def _choices(self, item: Item) -> tuple[Option, ...]:
        return item.options if self.conditions.scoring == "likelihood" else ()

    def _prompt(self, item: Item) -> CustomPrompt | None:
        """The benchmark's; None where it is worded as `ask` words it, which is left to the model: it may have
        learned another wording of the same."""
        benchmark, protocol = self._benchmark, self.conditions.protocol
        own = item.question
        if self._choices(item):
            own = listed(item.question, item.options)
        if benchmark.prompt(item, protocol) == Prompt(own):
            return None
        wording: Wording = lambda lines: benchmark.prompt(item, protocol, lines)  # noqa: E731
        if not self.conditions.subtitles:
            return CustomPrompt(wording)
        origin = item.subtitles.name if item.subtitles else ""
        return CustomPrompt(wording, Subtitles(benchmark.cues(item), origin))


def _arm(step: Step) -> TokenArm:
    assert isinstance(step.arm, TokenArm), "questions are asked by arms that spend tokens"
    return step.arm
