"""What a benchmark consists of, whatever its files look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynfocus_cli.types import Option, Prompt

__all__ = ["Dataset", "Item", "Prediction", "Problem", "Prompt", "Scored"]


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark about one video."""

    id: str
    """Unique within its split."""
    video: Path
    """The file that the question is about."""
    question: str
    """The question alone, without options or instructions: frames are chosen by it."""
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
class Prediction:
    """What a model answered to an item by one arm."""

    item: Item
    arm: str
    response: str
    """The model's words; with `scoring="likelihood"` the likeliest option's letter, or its text."""
    tokens: int
    """Video tokens that it took."""
    seconds: float
    """From decoding to the answer."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A prediction with what its benchmark makes of it."""

    prediction: Prediction
    extracted: str | None
    """The answer in the response; None where the extractor finds none."""
    score: float | None
    """0 or 1, or a judge's score from 0 to 1; None without a known answer, or without a verdict."""
    grades: Mapping[str, float] = field(default_factory=dict)
    """What a judge gave it, on the benchmark's own scales: `{"accuracy": 4, "relevance": 5}`; empty where no
    judge is needed, or has not given a verdict."""
