"""What a benchmark is: a reader of official files, and the score of a prediction.

There are two kinds. A `QuestionBenchmark` asks, and has a prompt and an extractor of answers; a
`MomentBenchmark` (`moment_benchmark.py`) searches, and compares spans of time. A benchmark is one file in
`benchmarks/` with one subclass of either, and is found by the file's name, with `-` for `_`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import ClassVar, Literal

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation import benchmarks
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.video.cues import Cue
from dynfocus_cli.video.subtitles import read_cues

Protocol = Literal["official", "lmms-eval", "vlmevalkit"]
"""Whose prompt and extractor are used."""
Scoring = Literal["generate", "likelihood", "moments"]
"""What is scored: the model's words, the likeliest option, or the moments that were found."""
Metric = Literal["accuracy", "score", "recall"]
"""What the scores of a run are: right and wrong answers, a judge's scores from 0 to 1, or whether the best
moment of a query overlaps a right one by half."""
METRIC_TITLES: Mapping[Metric, str] = {
    "accuracy": "accuracy",
    "score": "score",
    "recall": "R@1 at IoU 0.5",
}
"""What sentences and headings call them."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of a published table. It stands beside a run's figures, never as one of them."""

    source: str
    """Which table of which paper."""
    model: str
    figures: Mapping[str, float]
    """Name of a figure, as in `Benchmark.summarise` -> its value as published."""


class Benchmark(ABC):
    """A public benchmark, or what is scored like one: what all kinds have in common."""

    name: ClassVar[str]
    """As the command line calls it; the file's name, with `-` for `_`."""
    title: ClassVar[str]
    """Name, kind of question and size, in a line."""
    url: ClassVar[str] = ""
    """Where its makers distribute it."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Names of official files, by which a folder is recognised as this benchmark's; patterns are allowed."""
    splits: ClassVar[tuple[str, ...]] = ("test",)
    """The first one is read where none is named."""
    protocols: ClassVar[tuple[Protocol, ...]] = ("official",)
    """Those that ask and score in ways of their own; others have no code for it."""
    makes_videos: ClassVar[bool] = False
    """Whether it has no files to read, and makes its videos where a run writes to."""
    names_files: ClassVar[bool] = False
    """Whether its questions name files of videos. Those of others name videos, whose files may be called in
    several ways."""
    data: Path | None = None
    """The folder that is read where none is named; None: one has to be named."""
    scoring: ClassVar[Scoring] = "generate"
    """How options are answered where nothing is said about it; `moments`: it is no benchmark of questions."""
    measures: ClassVar[tuple[str, ...]] = ()
    """Names of what is measured of an item beside its score, in the order in which they are shown."""
    judged: ClassVar[bool] = False
    """A language model has to judge the answers, or some of them: see `judge_prompts`."""
    published: ClassVar[tuple[PublishedRow, ...]] = ()

    @abstractmethod
    def read(self, data: Path, split: str) -> Dataset:
        """The items of a split, from the official files as they are distributed.

        Raises:
            UsageError: the folder is not this benchmark's, or a file of it is not as expected; says which
                files, columns or fields were.
        """

    def prepare(self, item: Item) -> None:  # noqa: B027
        """Makes the item's video, where the benchmark makes its own and it is not there yet.

        Raises:
            DynFocusError: it cannot be written.
        """

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt | None:
        """What the language model reads; None where none is asked.

        Args:
            subtitles: the lines on screen at the sampled frames, in time order; empty where nothing is said,
                None where they are not asked for.
        """
        return None

    @abstractmethod
    def score(self, prediction: Prediction, protocol: Protocol, scoring: Scoring) -> Scored:
        """What the benchmark makes of a prediction, by what it says alone: no model is asked."""

    @abstractmethod
    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """The benchmark's own figures over the predictions of one arm, in per cent unless its makers use
        another scale: name -> value, the total first. Unparsed answers count as the protocol counts them."""

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        """What a judge is asked about the predictions of one arm; empty where none is needed."""
        return ()

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        """The score, 0 to 1, that a judge's grades come to."""
        raise NotImplementedError

    def clips(self, item: Item) -> tuple[int, float] | None:
        """How many clips the makers divide a query's video into, and their length in seconds; None where they
        score no clips."""
        return None

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """The files that the official scorer takes of one arm: name -> content; empty for none."""
        return {}


class QuestionBenchmark(Benchmark):
    """A benchmark of questions with answers."""

    @abstractmethod
    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        """What the language model reads.

        Args:
            subtitles: the lines on screen at the sampled frames, in time order; empty where nothing is said,
                None where they are not asked for.
        """

    def cues(self, item: Item) -> tuple[Cue, ...]:
        """What is said in the item's video, from its subtitle file; empty without one.

        Raises:
            UsageError: the file cannot be read.
        """
        return read_cues(item.subtitles) if item.subtitles else ()

    @abstractmethod
    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        """The answer in a response, as an option's letter or in words; None where the extractor finds none.

        Its source (repository, file, function) is named above the code.
        """

    def is_right(self, item: Item, extracted: str) -> bool:
        """Whether an extracted answer is the right one."""
        return extracted == item.answer

    def score(self, prediction: Prediction, protocol: Protocol, scoring: Scoring) -> Scored:
        """By likelihood the response is an option already, and nothing is extracted."""
        item, response = prediction.item, prediction.response
        is_option = scoring == "likelihood" and response in {option.letter for option in item.options}
        extracted = response if is_option else self.extract(item, response, protocol)
        score: float | None = None
        if item.answer is not None:
            score = float(extracted is not None and self.is_right(item, extracted))
        return Scored(prediction, extracted, score)


@cache
def benchmark_names() -> tuple[str, ...]:
    """All benchmarks, in alphabetical order."""
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(benchmarks.__path__)))


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in benchmark_names():
        raise UsageError(f"There is no benchmark {name!r}: take one of {', '.join(benchmark_names())}.")
    module = import_module(f"{benchmarks.__name__}.{name.replace('-', '_')}")
    (benchmark,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Benchmark) and value.__module__ == module.__name__
    ]
    return benchmark()
