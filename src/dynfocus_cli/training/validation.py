"""How well a model answers examples that it did not learn from: asked as `ask` asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch

from dynfocus_cli import pipeline
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.dynfocus.model import DynFocusSpec, LoadedModel
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.counterfactuals import is_other
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.training.batches import collate
from dynfocus_cli.training.examples import Example
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.learner import Learner
from dynfocus_cli.training.planned import Planned


@dataclass(frozen=True, slots=True)
class Score:
    """What a validation came to."""

    questions: int
    right: int
    """Answers that are the wanted ones, capitals and what stands around their words aside."""
    video_tokens: float
    """Mean a question."""
    loss: float | None = None
    """Mean over the answers of the mean cross-entropy of a token (nats), as training minimises it; None where
    it was not measured, or is no number."""

    @property
    def exact_match(self) -> float:
        """Share of the answers that are right."""
        return self.right / self.questions

    @property
    def rank(self) -> tuple[int, float]:
        """The higher the better: first by what is right, then by the loss, which is all there is where
        answers are whole sentences that nobody says to the letter."""
        return self.right, -math.inf if self.loss is None else -self.loss


def validate(
    model: LoadedModel,
    examples: Sequence[Example],
    options: RunOptions,
    progress: Progress,
    autocast: torch.dtype | None = None,
) -> Score:
    """Asks every example's question; in `autocast`, as it was trained, where a model's parts differ in dtype.

    Raises:
        DynFocusError: a question could not be asked.
    """
    progress.stage("validate", len(examples))
    network, memory_cache, vision = model.network, MemoryFeatureCache(), model.vision_device
    modes = {module: module.training for module in network.modules()}
    network.eval()
    right = tokens = 0
    computed: AbstractContextManager[object] = (
        nullcontext() if autocast is None else torch.autocast(model.device.type, autocast)
    )
    try:
        with computed, torch.inference_mode():
            # Video by video, so that what is remembered of one serves all of its questions.
            for example in sorted(examples, key=lambda one: one.video):
                progress.advance(1)
                # As it was planned to be learned: with room for an answer that is longer than usual.
                room = max(options.generation.max_new_tokens, len(model.prompt.answer(example.answer)))
                asked = replace(options, generation=replace(options.generation, max_new_tokens=room))
                try:
                    answer = pipeline.ask(
                        example.video, example.question, model, asked, Silent(), memory_cache=memory_cache
                    )
                except VideoUnreadable:
                    continue  # it was sound when the run began: nothing is answered, which is not right
                right += not is_other(answer.answer, example.answer)
                tokens += answer.evidence.tokens.video
    finally:
        model.move_vision(vision)
        for module, mode in modes.items():
            module.training = mode
    return Score(len(examples), right, tokens / len(examples))


@torch.no_grad()
def answer_loss(
    learner: Learner,
    held: Sequence[Planned],
    feature_store: FeatureStore,
    spec: DynFocusSpec,
    options: RunOptions,
) -> float:
    """`Score.loss` of the weights that `learner` has by now; `held` is what `feature_store` gathered.

    One at a time: memory was planned for the batches that are learned from, whose videos may be shorter.
    """
    modes = {module: module.training for module in learner.modules()}
    learner.eval()
    try:
        losses = [float(learner(collate([one], feature_store, spec, options, None))) for one in held]
    finally:
        for module, mode in modes.items():
            module.training = mode
    return sum(losses) / len(losses)
