"""A plan's model, loaded and made ready to be trained."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from dynfocus_cli.device import SMALL_BYTES, release, threads_for
from dynfocus_cli.models.dynfocus.loading import load_weights
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.progress import Progress
from dynfocus_cli.training.answer_loss import AnswerLoss
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.parts import add_score_network, set_trainable, trainable
from dynfocus_cli.training.plan import TrainingPlan

TIMED_STEPS = 2
"""Steps that a small model is timed on for the forecast."""


def load_for_training(plan: TrainingPlan) -> LoadedModel:
    """The weights, with a score network where the scorer needs one."""
    model = load_weights(plan.spec, learns=True)
    if plan.added_scorer is not None:
        add_score_network(model.network, plan.added_scorer, plan.settings.seed)
    if plan.request.trained_scorer is not None:
        model.network.config.scorer = plan.request.trained_scorer
    # The network has a config of its own, and now perhaps another one than its folder's.
    return replace(model, spec=replace(model.spec, config=model.network.config))


def make_trainable(model: LoadedModel, plan: TrainingPlan) -> None:
    """Makes the parts of the stage require gradients; the vision encoder leaves a GPU."""
    settings = plan.settings
    set_trainable(model.network, settings.stage, plan.tune, settings.lora_rank, settings.seed)
    if settings.checkpointing:
        model.network.language_model.model.checkpointing = True
        model.network.connector.question_encoder.qformer.encoder.checkpointing = True
    if model.device.type == "cuda":
        model.move_vision(torch.device("cpu"))
        release(model.device)


@contextmanager
def training_environment(plan: TrainingPlan) -> Iterator[None]:
    """The threads that suit the network's size, and no warning of torch's that a user cannot act on."""
    with threads_for(plan.spec.memory.weights, plan.spec.device), warnings.catch_warnings():
        # Autocast hands bfloat16 to a float32 norm, for which torch has no fused implementation.
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
        yield


def time_a_step(plan: TrainingPlan, folder: Path, progress: Progress) -> float | None:
    """Seconds of one step, the fastest of a few; None for a model that is large, or does not fit.

    Args:
        folder: for the features of the videos that are looked at; empty.
    """
    if plan.spec.memory.weights > SMALL_BYTES or not plan.fits:
        return None
    with training_environment(plan):
        model = load_for_training(plan)
        settings = replace(plan.settings, max_steps=TIMED_STEPS)
        # Nothing is to be left behind, so the cache of features is not written to.
        options = plan.request.options
        uncached = replace(options, decoding=replace(options.decoding, cache=False))
        feature_store = FeatureStore(folder, model, uncached)
        examples, _ = feature_store.encode(plan.train[: settings.batch * settings.accumulate], progress)
        if not examples:
            return None
        make_trainable(model, plan)
        batches = Batches(examples, feature_store, model.spec, options, settings)
        loss = AnswerLoss(model.network, model.prompt, model.device, plan.autocast)
        optimizer = torch.optim.AdamW([weights for _, weights in trainable(loss)], lr=0.0)
        seconds = []
        for step in range(batches.steps):
            start = time.perf_counter()
            for number in range(step * settings.accumulate, (step + 1) * settings.accumulate):
                loss(batches[number]).backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.perf_counter() - start)
        return min(seconds)
