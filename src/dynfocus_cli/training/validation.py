"""How well a model answers examples that it was not trained on, asked as `ask` asks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from dynfocus_cli import pipeline
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.counterfactuals import is_other
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.training.answer_loss import AnswerLoss
from dynfocus_cli.training.batches import collate
from dynfocus_cli.training.example_items import Example
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.planned_example import PlannedExample, room_for_answer


@dataclass(frozen=True, slots=True)
class Score:
    """The result of a validation."""

    questions: int
    right: int
    """Answers that equal the expected ones, capitals and the punctuation around them aside."""
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
        """The higher the better: first by right answers, then by the loss, which is all there is where
        answers are whole sentences that hardly any model says to the letter."""
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
    memory_cache, vision_device = MemoryFeatureCache(), model.vision_device
    right = tokens = 0
    precision: AbstractContextManager[object] = (
        nullcontext() if autocast is None else torch.autocast(model.device.type, autocast)
    )
    try:
        with _evaluating(model.network), precision, torch.inference_mode():
            # Video by video, so that the features of one serve all of its questions.
            for example in sorted(examples, key=lambda one: one.video):
                progress.advance(1)
                roomy = room_for_answer(options, len(model.prompt.answer(example.answer)))
                try:
                    answer = pipeline.ask(
                        example.video, example.question, model, roomy, Silent(), memory_cache=memory_cache
                    )
                except VideoUnreadable:
                    continue  # it could be read when the run began; without an answer it counts as wrong
                right += not is_other(answer.answer, example.answer)
                tokens += answer.evidence.tokens.video
    finally:
        model.move_vision(vision_device)
    return Score(len(examples), right, tokens / len(examples))


@torch.no_grad()
def validation_loss(
    loss: AnswerLoss,
    examples: Sequence[PlannedExample],
    feature_store: FeatureStore,
    spec: DynFocusSpec,
    options: RunOptions,
) -> float:
    """`Score.loss` of the weights that are in `loss` now, on examples that `feature_store` has encoded.

    One at a time: memory was planned for the batches that are trained on, whose videos may be shorter.
    """
    with _evaluating(loss):
        losses = [float(loss(collate([one], feature_store, spec, options, None))) for one in examples]
    return sum(losses) / len(losses)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Puts all modules into evaluation mode, and afterwards back into the modes that they had."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
