"""What a model is to the rest of the package, whichever network it is.

The pipeline asks a `ModelSpec` what a run would cost, and a `Backend` to encode, to select and to answer.
Nothing outside of `models/` and `checkpoints/` knows more of a model than this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dynfocus_cli.cce.budget import Allowance, FramePrice
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.models.memory import MemoryModel, RunShape
from dynfocus_cli.network.generation import Listener
from dynfocus_cli.options import GenerationOptions, RunOptions, SamplingOptions, SelectionOptions
from dynfocus_cli.types import (
    DomainCheck,
    Fallback,
    ModelInfo,
    Option,
    Prompt,
    Quantization,
    Scorer,
    TimeForecast,
    VideoSource,
)

Wording = Callable[[Sequence[str] | None], Prompt]
"""Words a prompt, given the subtitles on screen at the sampled frames; None where they are not wanted."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a model does where the options leave it open."""

    fps: float
    max_frames: int
    prototypes: int
    """L."""
    key_ratio: float
    """K / L."""
    clustering: str
    """How events are found."""
    pin_focus: bool
    """Frames at moments that a question names are key frames whatever their score."""


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """A question, or none, and what ranks the events for it."""

    question: str | None
    scorer: Scorer
    warnings: tuple[str, ...] = ()
    prompt: str | None = None
    """What the language model reads, where that is not the question alone."""
    prefix: str = ""
    """The beginning of its answer, which it goes on from."""
    wording: Wording | None = None
    """Who words the prompt, where that is not the model; `answers` are then letters of options."""
    answers: tuple[str, ...] = ()
    """What there is to choose from, as the language model would write it."""

    @property
    def own_answers(self) -> tuple[str, ...]:
        """What there is to choose from, where the model itself words the prompt."""
        return () if self.wording is not None else self.answers

    @property
    def text(self) -> str:
        """What the language model reads; empty where there is no question."""
        return self.prompt or self.question or ""

    def with_subtitles(self, lines: Sequence[str] | None) -> ScoredQuestion:
        """The same with these lines in the prompt, where somebody else than the model words it."""
        if self.wording is None:
            return self
        prompt = self.wording(lines)
        return replace(self, prompt=prompt.text, prefix=prompt.prefix)


@dataclass(frozen=True, slots=True)
class Choice:
    """Events and key frames of a video, as a backend chose them."""

    events: tuple[int, ...]
    """Of each frame; events are numbered in time order of their centres."""
    scores: tuple[float, ...]
    """Of each event, 0 to 1."""
    key_frames: tuple[int, ...]
    """Ascending."""
    price: FramePrice
    """What a key frame and any other are given."""
    pinned: tuple[int, ...] = ()
    """Frames at moments that the question names, all of them key frames."""
    inner: Any = None
    """What the backend itself keeps of it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer."""

    text: str
    generated: int
    """Its tokens, without the end mark."""
    prompt: int
    """Text tokens that the language model read beside the video's."""
    attention: tuple[float, ...] | None = None
    """The share of its attention to the video that went to each frame; None where the model does not tell."""


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """How likely answers are after a question."""

    log_likelihoods: tuple[float, ...]
    prompt: int
    """Text tokens that the language model read beside the video's."""
    attention: tuple[float, ...] | None = None
    """The likeliest answer's share of attention to each frame; None where the model does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec(ABC):
    """A model without its weights: enough to plan a run."""

    name: str
    """As the user calls it."""
    folder: Path
    quantization: Quantization
    """What runs; what is stored may be `none`."""
    device: torch.device
    """Where it would run."""
    dtype: torch.dtype
    """What the network computes in."""
    memory: MemoryModel
    info: ModelInfo
    fallback: Fallback | None = None
    """Why this model answers, where no model was named and it is the shipped one that steps in."""
    caveat: str = ""
    """What a plan for it does not know exactly, in a sentence; empty where the model is here."""

    @property
    @abstractmethod
    def context(self) -> int:
        """Tokens that the language model can hold."""

    @property
    @abstractmethod
    def defaults(self) -> Defaults:
        """What it does where the options leave it open."""

    @abstractmethod
    def text_tokens(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> int:
        """Tokens of the prompt, and of the beginning of the answer, without the video and its time stamps."""

    def sampling(self, source: VideoSource, options: RunOptions) -> SamplingOptions:
        """The moments to sample: as the options say, or as the model's makers do."""
        return options.sampling

    @abstractmethod
    def price(self, source: VideoSource, frames: int, selection: SelectionOptions) -> FramePrice:
        """What a key frame and any other cost, of a video of `frames` sampled frames.

        Raises:
            UsageError: `selection` asks for what the model cannot give.
        """

    def remarks(self, selection: SelectionOptions) -> tuple[str, ...]:
        """Warnings about what `selection` asks of the model, a sentence each."""
        return ()

    @abstractmethod
    def patches(self, source: VideoSource) -> int:
        """Tokens of one frame when none is left out."""

    @property
    def has_stock(self) -> bool:
        """Whether the model's makers have a way of their own, beside which this one can be held."""
        return False

    def stock_tokens(self, source: VideoSource) -> int | None:
        """Video tokens that the model's makers would spend on this video; None for the paper's network."""
        return None

    @abstractmethod
    def scorer(self, question: str | None, scorer: Scorer | None) -> ScoredQuestion:
        """The question with what ranks the events, and a notice where nothing was trained to.

        Args:
            scorer: None takes the model's own.

        Raises:
            UsageError: a scorer that the model lacks, or that lacks its question.
        """

    @abstractmethod
    def multiple_choice(self, question: ScoredQuestion, options: Sequence[Option]) -> ScoredQuestion:
        """The same question, to be answered by one of the options in the way that the model has learned."""

    @abstractmethod
    def times(self, shape: RunShape, answer_tokens: int) -> TimeForecast:
        """How long a run of this shape would take."""


class Backend(ABC):
    """A model that is loaded."""

    spec: ModelSpec
    """What is known of it beside its weights."""

    @property
    def info(self) -> ModelInfo:
        """What is reported of it."""
        return self.spec.info

    @abstractmethod
    def tower(self, source: VideoSource, frames: int, selection: SelectionOptions) -> VisionTower:
        """What each of `frames` sampled frames goes through, whatever the question."""

    @property
    @abstractmethod
    def vision_device(self) -> torch.device:
        """Where the vision encoder's weights are."""

    @abstractmethod
    def move_vision(self, device: torch.device) -> None:
        """Puts the vision encoder's weights elsewhere."""

    @property
    def selector_tower(self) -> VisionTower | None:
        """The encoder of the model that finds the frames of a question; None where there is no such model."""
        return None

    @abstractmethod
    def session(
        self,
        source: VideoSource,
        frames: EncodedFrames,
        selection: SelectionOptions,
        selector_frames: EncodedFrames | None = None,
    ) -> VideoSession:
        """A video in front of the model.

        Args:
            frames: encoded by `tower`.
            selector_frames: the same frames, encoded by `selector_tower`.
        """

    @abstractmethod
    def check_domain(
        self, source: VideoSource, frames: EncodedFrames, question: ScoredQuestion
    ) -> DomainCheck | None:
        """Whether video and question are such as the model was trained on; None where it does not say."""

    def question_departures(self, question: str, answers: Sequence[str]) -> tuple[str, ...]:
        """How a question, and the answers to choose from, differ from all that the model was trained on, as
        clauses; empty where the model does not say."""
        return ()


class VideoSession(ABC):
    """A video in front of a model, for any number of questions."""

    @abstractmethod
    def choose(
        self, question: ScoredQuestion, allowance: Allowance, pinned: tuple[int, ...], seed: int
    ) -> Choice:
        """DPE: events, their scores, and key frames, `pinned` ones among them."""

    def detail_tower(self, choice: Choice) -> VisionTower | None:
        """What the key frames go through once more before an answer; None where once is enough."""
        return None

    @abstractmethod
    def answer(
        self,
        choice: Choice,
        detail: EncodedFrames | None,
        question: ScoredQuestion,
        subtitles: Sequence[str],
        options: GenerationOptions,
        listener: Listener | None,
    ) -> Completion:
        """CCE and the language model: the answer from the tokens of all frames.

        Args:
            detail: the key frames, encoded by `detail_tower`.
        """

    @abstractmethod
    def likelihoods(
        self,
        choice: Choice,
        detail: EncodedFrames | None,
        question: ScoredQuestion,
        subtitles: Sequence[str],
    ) -> Likelihoods:
        """How likely each of `question.answers` is."""
