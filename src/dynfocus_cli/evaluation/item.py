"""What a benchmark consists of, whatever its files look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynfocus_cli.types import Option, Prompt, Span

__all__ = ["Dataset", "Item", "Prediction", "Problem", "Prompt", "RankedSpan", "Scored"]


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark about one video, or one query for the moments that it describes."""

    id: str
    """Unique within its split."""
    video: Path
    """The file that the question is about."""
    question: str
    """The question alone, without options or instructions: frames are chosen by it. Or what is looked for."""
    answer: str | None
    """The right option's letter, or the answer in words; None where the makers withhold it."""
    options: tuple[Option, ...] = ()
    """The answers to choose from; empty where it is to be answered in words."""
    task: str = ""
    """Which of the benchmark's kinds of question it is, as the benchmark calls it."""
    duration: str = ""
    """Which of the benchmark's classes of length its video is in, where it has such classes."""
    group: str = ""
    """Items of the same group are scored together, such as a question and its hallucinated twin."""
    subtitles: Path | None = None
    """The subtitle file that comes with the video."""
    spans_s: tuple[Span, ...] | None = None
    """When it is to be seen what a query looks for, seconds; empty where it never is; None where the makers
    withhold it, and of a question."""
    official: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the official file that its scorer, or its submission file, needs once more."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the official files that cannot be asked: one record in the report, which stops nothing."""

    id: str
    """Of the item, or the place in the file where it should be: `line 3`."""
    message: str
    """What is wrong, in a sentence."""
    video: Path | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found of a split of a benchmark in a folder."""

    items: tuple[Item, ...]
    """In the order of the official files; those of one video need not stand together."""
    problems: tuple[Problem, ...]
    """Items that were left out: missing or ambiguous videos, options beyond the benchmark's letters, answers
    that are no option, ids that occur twice."""
    files: tuple[Path, ...]
    """The official files that were read, for their digest."""


@dataclass(frozen=True, slots=True)
class RankedSpan:
    """A stretch of a video in which an arm found what a query looks for."""

    start_s: float
    end_s: float
    score: float
    """The greater, the surer."""

    @property
    def span_s(self) -> Span:
        """Start and end, seconds."""
        return self.start_s, self.end_s


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model made of an item by one arm: an answer to a question, or moments for a query."""

    item: Item
    arm: str
    response: str
    """The model's words; with `scoring="likelihood"` the likeliest option's letter, or its text. Of a query,
    its moments in words."""
    tokens: int
    """Video tokens that it took; 0 where no language model was asked."""
    seconds: float
    """From decoding to the answer."""
    moments: tuple[RankedSpan, ...] = ()
    """The best first; empty where nothing was found, and of a question."""
    clip_scores: tuple[float, ...] = ()
    """How well each clip of a length that the benchmark sets fits the query, where it wants that."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A prediction with what its benchmark makes of it."""

    prediction: Prediction
    extracted: str | None
    """The answer in the response; None where the extractor finds none."""
    score: float | None
    """0 or 1, or a judge's score from 0 to 1; None without a known answer, or without a verdict, and of a
    query for what is never shown."""
    grades: Mapping[str, float] = field(default_factory=dict)
    """What a judge gave it, on the benchmark's own scales: `{"accuracy": 4, "relevance": 5}`; empty where no
    judge is needed, or has not given a verdict."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Other figures of this item, 0 to 1, by the names in its benchmark's `measures`."""
