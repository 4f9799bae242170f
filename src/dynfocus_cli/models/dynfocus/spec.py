"""What is known of a model folder of the paper's network before its weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.errors import UsageError
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.models.memory import RunShape
from dynfocus_cli.models.protocol import Defaults, ModelSpec, ScoredQuestion
from dynfocus_cli.models.speed import time_layers
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.options import SelectionOptions
from dynfocus_cli.scorers import SCORERS
from dynfocus_cli.types import Option, Scorer, TimeForecast, VideoSource
from dynfocus_cli.video import with_time_codes

UNTRAINED = "{name} is not trained yet ({parts}: random weights): its key frames and answers mean nothing."
UNTRAINED_SCORE = "{name} has no trained score network: its events are ranked by {how} (`scorer={scorer}`)."
WITHOUT_RODS = (
    "{name} was trained with the rods of all frames, and `rods=False` leaves those of other frames than key "
    "frames out: its answers can be worse for that."
)
FOREIGN = "{flag} is for models of the Hugging Face hub: {name} has learned to read {price} tokens a frame."


@dataclass(frozen=True, slots=True, kw_only=True)
class DynFocusSpec(ModelSpec):
    """A model folder without its weights."""

    config: DynFocusConfig
    prompt: PromptWriter
    preprocessing: Preprocessing

    @property
    def context(self) -> int:
        tokens: int = self.config.text_config.max_position_embeddings
        return tokens

    @property
    def defaults(self) -> Defaults:
        config = self.config
        return Defaults(
            config.fps,
            config.max_frames,
            config.prototypes,
            config.key_ratio,
            config.temporal_clustering,
            config.pin_focus,
        )

    def text_tokens(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> int:
        return self.prompt.length(question, subtitles, prefix)

    def price(self, source: VideoSource, frames: int, selection: SelectionOptions) -> FramePrice:
        """Cones and rods, whatever the video. Raises UsageError for other numbers of tokens."""
        price = self.config.frame_price(frames)
        flags = {"`stock`": selection.stock, "`cone_tokens`": selection.cone_tokens}
        for flag, given in flags.items():
            if given:
                tokens = f"{price.key} or {price.other}"
                raise UsageError(FOREIGN.format(flag=flag, name=self.name, price=tokens))
        return replace(price, other=0) if selection.rods is False else price

    def remarks(self, selection: SelectionOptions) -> tuple[str, ...]:
        return (WITHOUT_RODS.format(name=self.name),) if selection.rods is False else ()

    def patches(self, source: VideoSource) -> int:
        return self.config.patches

    def scorer(self, question: str | None, scorer: Scorer | None) -> ScoredQuestion:
        config, name = self.config, self.name
        without = config.scorer_without_question
        if scorer is not None and SCORERS[scorer].needs_question and question is None:
            raise UsageError(f"`scorer={scorer}` needs a question: give one with `question`.")
        if scorer == "question" and not config.question_aware_score:
            raise UsageError(f"{name} has no question-aware score: take `scorer={without}` or attention.")
        if scorer == "visual" and not config.score_network:
            raise UsageError(f"{name} has no score network: take `scorer=density` or attention.")
        if scorer == "density" and config.temporal_clustering != "dpc_knn":
            raise UsageError(f"{name} finds events by k-means, which knows no density: take `scorer=visual`.")
        chosen = scorer or (without if question is None else config.scorer)
        warnings: tuple[str, ...] = ()
        if config.untrained:
            warnings = (UNTRAINED.format(name=name, parts=", ".join(config.untrained)),)
        elif scorer is None and not config.score_network:
            warnings = (UNTRAINED_SCORE.format(name=name, how=SCORERS[chosen].in_warning, scorer=chosen),)
        return ScoredQuestion(question, chosen, warnings, None if question is None else self.read(question))

    def read(self, question: str) -> str:
        """The question with times as the training wrote them, where it had any."""
        return with_time_codes(question) if self.config.time_encoding == "timecode" else question

    def multiple_choice(self, question: ScoredQuestion, options: Sequence[Option]) -> ScoredQuestion:
        """The plain question: it was trained on answers, not on letters."""
        return replace(question, answers=tuple(option.text for option in options))

    def times(self, shape: RunShape, answer_tokens: int) -> TimeForecast:
        return time_layers(self.config, self.quantization, self.device, self.dtype, shape, answer_tokens)
