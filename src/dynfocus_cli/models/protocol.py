"""What a model is to the rest of the house, whichever network it is.

The spine asks an `ModelSpec` what a run would cost, and a `Backend` to see, to choose and to answer. Nothing
outside `models/` and `checkpoints/` knows more of a model than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from dynfocus_cli.cce.budget import Allowance, FramePrice
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.models.memory import MemoryModel, RunShape
from dynfocus_cli.network.generation import Listener
from dynfocus_cli.options import GenerationOptions, RunOptions, SelectionOptions
from dynfocus_cli.types import DomainCheck, Fallback, ModelInfo, Option, Scorer, TimeForecast, VideoSource

if TYPE_CHECKING:
    from dynfocus_cli.options import SamplingOptions


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a model does where nothing is asked for."""

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
    answers: tuple[str, ...] = ()
    """What there is to choose from, as the language model would write it."""

    @property
    def text(self) -> str:
        """What the language model reads; nothing where nothing is asked."""
        return self.prompt or self.question or ""


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


class ModelSpec(Protocol):
    """A model without its weights: enough to plan a run."""

    @property
    def name(self) -> str:
        """As the user calls it."""

    @property
    def info(self) -> ModelInfo:
        """What is reported of it."""

    @property
    def device(self) -> torch.device:
        """Where it would run."""

    @property
    def context(self) -> int:
        """Tokens that the language model can hold."""

    @property
    def memory(self) -> MemoryModel:
        """What it takes."""

    @property
    def caveat(self) -> str:
        """What a plan by it does not know exactly, in a sentence; empty where the model is here."""

    @property
    def defaults(self) -> Defaults:
        """What it does where nothing is asked for."""

    @property
    def fallback(self) -> Fallback | None:
        """Why it runs, where no model was named and it is the shipped one that steps in."""

    def text_tokens(self, question: str, subtitles: Sequence[str] = ()) -> int:
        """Tokens of the prompt without the video."""

    def sampling(self, source: VideoSource, options: RunOptions) -> SamplingOptions:
        """The moments to look at, as asked for, or as the model's makers do."""

    def price(self, source: VideoSource, frames: int, selection: SelectionOptions) -> FramePrice:
        """What a key frame and any other cost, of a video of `frames` sampled frames.

        Raises:
            UsageError: `selection` asks for what the model cannot give.
        """

    def patches(self, source: VideoSource) -> int:
        """Tokens of one frame, were all kept."""

    def stock_tokens(self, source: VideoSource) -> int | None:
        """Video tokens of the makers' own way with this video; None where there is no other way than ours."""

    def scorer(self, question: str | None, scorer: Scorer | None) -> ScoredQuestion:
        """What ranks the events, with a notice where nothing was trained to.

        Raises:
            UsageError: a scorer that the model lacks, or that lacks its question.
        """

    def multiple_choice(self, question: ScoredQuestion, options: Sequence[Option]) -> ScoredQuestion:
        """The same question, to be answered by one of the options in the way that the model has learned."""

    def times(self, shape: RunShape, answer_tokens: int) -> TimeForecast:
        """How long a run of this shape would take."""

    def load(self) -> Backend:
        """The model with its weights.

        Raises:
            ModelUnavailable: the weights are not those of its config.
            OutOfMemory: they are more than the memory that is free.
        """


class Backend(Protocol):
    """A model that is loaded."""

    @property
    def spec(self) -> ModelSpec:
        """What is known of it beside its weights."""

    @property
    def info(self) -> ModelInfo:
        """What is reported of it."""

    def tower(self, source: VideoSource, frames: int, selection: SelectionOptions) -> VisionTower:
        """What each of `frames` sampled frames goes through, whatever the question."""

    @property
    def vision_device(self) -> torch.device:
        """Where the vision encoder's weights are."""

    def move_vision(self, device: torch.device) -> None:
        """Puts the vision encoder's weights elsewhere."""

    @property
    def selector_tower(self) -> VisionTower | None:
        """What the frames go through beside that, where another model finds those of a question."""

    def session(
        self,
        source: VideoSource,
        frames: EncodedFrames,
        selection: SelectionOptions,
        selector_frames: EncodedFrames | None = None,
    ) -> VideoSession:
        """A video in front of the model; its frames have been through `tower`, and `selector_frames` are the
        same through `selector_tower`."""

    def check_domain(
        self, source: VideoSource, frames: EncodedFrames, question: ScoredQuestion
    ) -> DomainCheck | None:
        """Whether video and question are such as the model was trained on; None where it does not say."""


class VideoSession(Protocol):
    """A video in front of a model, for any number of questions."""

    def choose(
        self, question: ScoredQuestion, allowed: Allowance, pinned: tuple[int, ...], seed: int
    ) -> Choice:
        """Events and key frames, `pinned` ones among them."""

    def detail_tower(self, choice: Choice) -> VisionTower | None:
        """What the key frames go through once more before an answer; None where once is enough."""

    def answer(
        self,
        choice: Choice,
        detail: EncodedFrames | None,
        question: ScoredQuestion,
        subtitles: Sequence[str],
        options: GenerationOptions,
        listener: Listener | None,
    ) -> Completion:
        """The answer to a question, from the tokens of all frames; `detail` are the key frames once more."""

    def likelihoods(
        self, choice: Choice, detail: EncodedFrames | None, question: ScoredQuestion, subtitles: Sequence[str]
    ) -> Likelihoods:
        """How likely each of `question.answers` is."""
