"""The checkpoints of a training run: what learns alone, each whole or not there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.training.parts import learning

WEIGHTS, STATE = "learned.safetensors", "trainer_state.json"


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, the oldest first."""
    found = [
        path
        for path in folder.glob("checkpoint-*")
        if path.name.removeprefix("checkpoint-").isdigit() and (path / STATE).is_file()
    ]
    return sorted(found, key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """What a run goes on from."""
    return next(reversed(checkpoints(folder)), None)


def load_learned(module: nn.Module, file: Path) -> None:
    """Puts weights that `module` learned back into it."""
    stored = load_file(file)
    with torch.no_grad():
        for name, value in changing(module):
            value.copy_(stored[name])


def load_last(module: nn.Module, folder: Path) -> int:
    """Puts back what `module` had learned by the last checkpoint in `folder`; returns its step.

    Raises:
        FileNotFoundError: there is none.
    """
    last = last_checkpoint(folder)
    if last is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint yet")
    load_learned(module, last / WEIGHTS)
    return step_of(last)


def changing(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What learns, and what the learner itself keeps of its lessons in buffers."""
    yield from learning(module)
    yield from module.named_buffers(recurse=False)


def require_whole(checkpoint: Path) -> None:
    """Raises ModelUnavailable for a checkpoint that was damaged after it was written."""
    try:
        with safe_open(checkpoint / WEIGHTS, "pt"):
            pass
        for file in checkpoint.glob("*.pt*"):
            zipfile.ZipFile(file).close()
    except (OSError, SafetensorError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(
            f"{checkpoint} is damaged ({error}): remove it, and the same command begins anew."
        ) from error


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))
