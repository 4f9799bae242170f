"""What is known of a public vision-language model before its weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.errors import UsageError
from dynfocus_cli.models.memory import RunShape
from dynfocus_cli.models.protocol import Defaults, ModelSpec, ScoredQuestion
from dynfocus_cli.models.speed import time_stock
from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.memory import encoding_passes
from dynfocus_cli.models.vlm.prompt import ChatWriter
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.skeleton import Skeleton
from dynfocus_cli.models.vlm.tokens import RODS
from dynfocus_cli.multiple_choice import listed
from dynfocus_cli.options import RunOptions, SamplingOptions, SelectionOptions
from dynfocus_cli.types import Option, Scorer, TimeForecast, VideoSource
from dynfocus_cli.video.moments import steps

LEAST_CONES = 16
"""Tokens that a key frame keeps however short they are, as the paper's fine prototypes."""

DEFAULTS = Defaults(
    fps=1.0, max_frames=200, prototypes=64, key_ratio=0.4, clustering="dpc_knn", pin_focus=True
)
"""The poster's long settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VlmSpec(ModelSpec):
    """A public model without its weights."""

    family: Family
    prompt: ChatWriter
    skeleton: Skeleton
    selector: SelectorSpec | None = None
    """What is to find the frames of a question."""

    @property
    def context(self) -> int:
        tokens: int = self.family.config.get_text_config().max_position_embeddings
        return tokens

    @property
    def defaults(self) -> Defaults:
        return DEFAULTS

    def text_tokens(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> int:
        return self.prompt.length(question, subtitles, prefix)

    def sampling(self, source: VideoSource, options: RunOptions) -> SamplingOptions:
        """As asked for; with `stock` the frames that the makers' own code would look at."""
        sampling = options.sampling
        if options.selection.stock and self.selector is not None:
            raise UsageError("`stock` chooses no frames: leave `selector` out.")
        if not options.selection.stock or sampling.frames is not None or sampling.fps is not None:
            return sampling
        # A part of a video is to them a video.
        end_s = source.duration_s if sampling.end_s is None else min(sampling.end_s, source.duration_s)
        part = replace(source, duration_s=max(0.0, end_s - (sampling.start_s or 0.0)))
        stock = self.family.stock_sampling(part)
        return replace(sampling, frames=stock.frames, max_frames=sampling.max_frames or stock.frames)

    def price(self, source: VideoSource, frames: int, selection: SelectionOptions) -> FramePrice:
        """All tokens or `cone_tokens` for key frames; two rods for others on request alone: models that never
        saw any answer no better with them (docs/models.md)."""
        family, timestamp = self.family, self.prompt.timestamp_tokens
        full = self.patches(source, frames if selection.stock else 1)
        if selection.stock:
            return FramePrice(full, full, timestamp=timestamp, together=family.together)
        if selection.cone_tokens is not None and selection.cone_tokens > full:
            raise UsageError(
                f"`cone_tokens={selection.cone_tokens}` is more than the {full} tokens that {self.name} "
                "gives a frame of this video."
            )
        key = selection.cone_tokens or full
        least = key if selection.cone_tokens else min(LEAST_CONES, full)
        return FramePrice(key, min(RODS, key) if selection.rods else 0, least, timestamp)

    def patches(self, source: VideoSource, frames: int = 1) -> int:
        """Tokens of one of so many frames, were all kept."""
        return self.family.grid(self.family.scaling(source, frames)).tokens

    @property
    def has_stock(self) -> bool:
        return self.selector is None

    def stock_tokens(self, source: VideoSource) -> int:
        """Of the frames that `stock` would look at, all kept."""
        stock = self.family.stock_sampling(source)
        frames = min(stock.frames or 1, steps(source.duration_s, source.fps))
        return self.price(source, frames, SelectionOptions(stock=True)).total(frames, frames)

    def scorer(self, question: str | None, scorer: Scorer | None) -> ScoredQuestion:
        if scorer == "attention":
            raise UsageError(f"{self.name} has no Q-Former: take `scorer=density` or question.")
        if scorer == "visual":
            raise UsageError(f"{self.name} has no score network: take `scorer=density` or question.")
        if scorer not in (None, "density", "question"):
            raise UsageError(f"{self.name} has no score {scorer}: take `scorer=density` or question.")
        if scorer == "question" and question is None:
            raise UsageError("`scorer=question` needs a question: give one with `question`.")
        default: Scorer = "question" if self.selector is not None and question is not None else "density"
        return ScoredQuestion(question, scorer or default)

    def multiple_choice(self, question: ScoredQuestion, options: Sequence[Option]) -> ScoredQuestion:
        """The options below the question, to be answered by a letter."""
        assert question.question is not None, "options come with a question"
        letters = tuple(option.letter for option in options)
        return replace(question, prompt=listed(question.question, options), answers=letters)

    def times(self, shape: RunShape, answer_tokens: int) -> TimeForecast:
        family = self.family
        passes = encoding_passes(family, shape)
        patches = shape.frames * family.patches(passes.first)
        if shape.stock:
            patches //= family.together
        if passes.detail is not None:
            patches += shape.key_frames * family.patches(passes.detail)
        return time_stock(
            family.vision_config(),
            patches,
            family.config.get_text_config(),
            self.quantization,
            self.device,
            self.dtype,
            shape,
            answer_tokens,
        )
