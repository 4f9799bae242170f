"""From what was prepared to a network that can learn."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from dynfocus_cli.device import SMALL_BYTES, release, threads_for
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_weights
from dynfocus_cli.progress import Progress
from dynfocus_cli.training import parts
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.learner import Learner
from dynfocus_cli.training.preparing import Prepared, learned_scorer

TIMED_STEPS = 2
"""Steps that a small model is timed on for the forecast."""


def load_for_training(prepared: Prepared) -> LoadedModel:
    """The weights, with a score network where the scorer needs one."""
    model = load_weights(prepared.spec, learns=True)
    if prepared.grown is not None:
        parts.grow_score_network(model.network, prepared.grown, prepared.settings.seed)
    scorer = learned_scorer(prepared.request)
    if scorer is not None:
        model.network.config.scorer = scorer
    # The network has a config of its own, and now perhaps another one than its folder's.
    return replace(model, spec=replace(model.spec, config=model.network.config))


def let_learn(model: LoadedModel, prepared: Prepared) -> None:
    """Lets the parts of the stage require gradients; a vision encoder on a GPU makes way."""
    settings = prepared.settings
    parts.set_learning(model.network, settings.stage, prepared.tune, settings.lora_rank, settings.seed)
    if settings.checkpointing:
        model.network.language_model.model.checkpointing = True
        model.network.connector.question_encoder.qformer.encoder.checkpointing = True
    if model.device.type == "cuda":
        model.move_vision(torch.device("cpu"))
        release(model.device)


@contextmanager
def quietly(prepared: Prepared) -> Iterator[None]:
    """Without a warning of torch's, and with the threads that the network is worth."""
    with threads_for(prepared.spec.memory.weights, prepared.spec.device), warnings.catch_warnings():
        # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
        yield


def time_a_step(prepared: Prepared, folder: Path, progress: Progress) -> float | None:
    """Seconds of one step, measured on a few; None for a model that is large, or does not fit.

    Args:
        folder: for the features of the videos that are looked at; empty.
    """
    if prepared.spec.memory.weights > SMALL_BYTES or not prepared.fits:
        return None
    with quietly(prepared):
        return _timed(prepared, folder, progress)


def _timed(prepared: Prepared, folder: Path, progress: Progress) -> float | None:
    model = load_for_training(prepared)
    few = replace(prepared.settings, max_steps=TIMED_STEPS)
    drawn = prepared.train[: few.batch * few.accumulate]
    options = prepared.request.options
    # Nothing is to be left behind, so the cache of features stays as it is.
    feature_store = FeatureStore(
        folder, model, replace(options, decoding=replace(options.decoding, cache=False))
    )
    kept, _ = feature_store.gather(drawn, progress)
    if not kept:
        return None
    let_learn(model, prepared)
    batches = Batches(kept, feature_store, model.spec, options, few)
    learner = Learner(model.network, model.prompt, model.device, prepared.autocast)
    optimizer = torch.optim.AdamW([weights for _, weights in parts.learning(learner)], lr=0.0)
    taken = []
    for step in range(few.steps(len(kept))):
        began = time.perf_counter()
        for number in range(step * few.accumulate, (step + 1) * few.accumulate):
            learner(batches[number]).backward()
        optimizer.step()
        optimizer.zero_grad()
        taken.append(time.perf_counter() - began)
    return min(taken)
