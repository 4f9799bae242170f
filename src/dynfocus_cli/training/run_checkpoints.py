"""The checkpoints of a training run: trained weights, optimizer, schedule and random state.

A checkpoint is a folder that is there whole or not at all, so a run that was killed goes on from the last.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import flush
from dynfocus_cli.training.parts import trainable

WEIGHTS, STATE = "learned.safetensors", "state.pt"
FULL_DISK_BYTES = 1 << 20
"""Bytes free below which a disk counts as full."""


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, the oldest first."""
    folders = folder.glob("checkpoint-*")
    return sorted((path for path in folders if path.name.partition("-")[2].isdigit()), key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that a run goes on from."""
    return next(reversed(checkpoints(folder)), None)


def step_of(checkpoint: Path) -> int:
    """The last step before a checkpoint."""
    return int(checkpoint.name.partition("-")[2])


def save_checkpoint(
    folder: Path, step: int, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler
) -> None:
    """Writes the checkpoint of a step into a run's folder, then removes the older ones.

    Raises:
        ModelUnavailable: it cannot be written.
    """
    checkpoint = folder / f"checkpoint-{step}"
    unfinished = folder / f"{checkpoint.name}.writing"
    state = {
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }
    try:
        for obstacle in (unfinished, checkpoint):
            if obstacle.exists():
                shutil.rmtree(obstacle)
        unfinished.mkdir(parents=True)
        save_file(trained_state(model), unfinished / WEIGHTS)
        torch.save(state, unfinished / STATE)
        for file in unfinished.iterdir():
            flush(file)
        unfinished.rename(checkpoint)
        flush(folder)
    except (OSError, RuntimeError, SafetensorError) as error:
        with suppress(OSError):
            shutil.rmtree(unfinished)
        raise write_error(folder, error) from error
    for older in checkpoints(folder)[:-1]:
        shutil.rmtree(older, ignore_errors=True)


def load_checkpoint(checkpoint: Path, model: nn.Module, optimizer: Optimizer, scheduler: LRScheduler) -> None:
    """Puts everything back as it was when the checkpoint was saved.

    Raises:
        ModelUnavailable: the checkpoint was damaged after it was written.
    """
    try:
        load_trained(model, checkpoint / WEIGHTS)
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, UnpicklingError) as error:
        raise ModelUnavailable(
            f"{checkpoint} is damaged ({str(error).splitlines()[0]}): remove it, and the same command begins "
            "anew."
        ) from error
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    torch.set_rng_state(state["random"])
    if state["cuda_random"]:
        torch.cuda.set_rng_state_all(state["cuda_random"])


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """What training changes of a module, on the CPU: trained parameters, and its own buffers."""
    return {name: value.detach().cpu() for name, value in _changing(model).items()}


def load_trained(model: nn.Module, file: Path) -> None:
    """Puts what `trained_state` gave back into the module."""
    stored = load_file(file)
    with torch.no_grad():
        for name, value in _changing(model).items():
            value.copy_(stored[name])


def _changing(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(trainable(model)), **dict(model.named_buffers(recurse=False))}


def write_error(folder: Path, error: Exception) -> ModelUnavailable:
    """The error to raise where checkpoint or log cannot be written."""
    reason = error.strerror if isinstance(error, OSError) else None
    if reason is None:  # torch's own words name a line of its source
        full = shutil.disk_usage(folder).free < FULL_DISK_BYTES
        reason = "the disk is full" if full else str(error).splitlines()[0]
    last = last_checkpoint(folder)
    advice = (
        f"The checkpoint of step {step_of(last)} is whole: make room and give the same command again."
        if last is not None
        else "Nothing was kept yet: make room, or name another place."
    )
    return ModelUnavailable(f"The run in {folder} cannot be written ({reason}). {advice}")
