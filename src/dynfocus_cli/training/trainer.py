"""The training loop: AdamW over numbered batches, with a log, and checkpoints that a killed run goes on from.

The model is any module that turns a batch into a loss, and the batches anything with an item a number. So the
loop knows neither what batches are made of nor what is learned from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from dynfocus_cli.errors import UsageError
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.training.parts import part_of, trainable
from dynfocus_cli.training.run_checkpoints import (
    last_checkpoint,
    load_checkpoint,
    save_checkpoint,
    step_of,
    write_error,
)
from dynfocus_cli.training.run_log import add_to_log, rewind

SCORE_NETWORK_SHARE = 0.5
"""Of the learning rate: the score network's gradient is an estimate."""


class NumberedBatches(Protocol):
    """The batches of a run: the same number gives the same batch each time."""

    def __getitem__(self, number: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share a learning rate and are clipped together.

    Each group is clipped by itself: where scores are nearly equal, min-max normalisation makes the score
    network's gradient explode, and the other groups would all but stand still.
    """

    parameters: Sequence[nn.Parameter]
    rate_share: float = 1.0
    """Of the peak learning rate."""
    max_norm: float = 1.0
    """Of their gradient."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, at which rates and with which checkpoints a model is trained."""

    steps: int
    rate: float
    """Peak learning rate."""
    rate_share: Callable[[int], float]
    """Share of it at a step, from 0."""
    save_every: int
    """Steps."""
    seed: int
    accumulate: int = 1
    """Batches a step."""
    weight_decay: float = 0.0


def parameter_groups(network: DynFocusModel) -> list[ParameterGroup]:
    """The trained parameters of a network by part."""
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in trainable(network):
        parts.setdefault(part_of(name), []).append(parameter)
    return [
        ParameterGroup(parameters, SCORE_NETWORK_SHARE, 0.5)
        if part == "score network"
        else ParameterGroup(parameters)
        for part, parameters in parts.items()
    ]


def steps_done(folder: Path) -> int:
    """Steps that a run's last checkpoint has behind it."""
    last = last_checkpoint(folder)
    return 0 if last is None else step_of(last)


def train_model(
    folder: Path,
    model: nn.Module,
    batches: NumberedBatches,
    groups: Sequence[ParameterGroup],
    schedule: Schedule,
    on_step: Callable[[int, float], None],
) -> None:
    """Trains until the last step, from the last checkpoint in `folder` if it has one.

    Args:
        folder: of checkpoints and log.
        on_step: called after each step with its number, from 1, and its loss.

    Raises:
        ModelUnavailable: checkpoint or log cannot be written, or the last checkpoint is damaged.
        UsageError: the loss is not a finite number any more.
    """
    torch.manual_seed(schedule.seed)
    optimizer = torch.optim.AdamW(
        [{"params": list(group.parameters), "lr": schedule.rate * group.rate_share} for group in groups],
        betas=(0.9, 0.98),
        weight_decay=schedule.weight_decay,
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate_share)
    done = steps_done(folder)
    if done:
        load_checkpoint(folder / f"checkpoint-{done}", model, optimizer, scheduler)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rewind(folder, done)
    except OSError as error:
        raise write_error(folder, error) from error
    for step in range(done, schedule.steps):
        model.train()
        losses = []
        for number in range(step * schedule.accumulate, (step + 1) * schedule.accumulate):
            loss = model(batches[number])
            (loss / schedule.accumulate).backward()
            losses.append(float(loss.detach()))
        for group in groups:
            nn.utils.clip_grad_norm_(group.parameters, group.max_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        mean = sum(losses) / len(losses)
        _log(folder, step + 1, mean)
        on_step(step + 1, mean)
        if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
            save_checkpoint(folder, step + 1, model, optimizer, scheduler)


def _log(folder: Path, step: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise UsageError(
            f"The loss of step {step} is no number. Try a lower `rate`, or `precision=float32`; if it is the "
            "first step, see whether the model answers at all."
        )
    try:
        add_to_log(folder, step=step, loss=loss)
    except OSError as error:
        raise write_error(folder, error) from error
