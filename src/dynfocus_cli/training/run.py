"""What the stages of a training run share: a log, checkpoints that survive a kill, a learning-rate curve."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import torch
from torch import nn


class Run:
    """One stage of a run in `folder`: `log.jsonl` beside `<stage>.ckpt`."""

    def __init__(self, folder: Path, stage: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.stage = folder, stage
        self._started = time.monotonic()
        self._seconds_before = 0.0

    @property
    def checkpoint(self) -> Path:
        """The file that this stage resumes from."""
        return self.folder / f"{self.stage}.ckpt"

    @property
    def seconds(self) -> float:
        """Wall time spent in this stage, over all its resumptions."""
        return self._seconds_before + time.monotonic() - self._started

    def log(self, **figures: object) -> None:
        """Appends one line to the log and shows it."""
        line = json.dumps({"stage": self.stage, "seconds": round(self.seconds, 1), **figures})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def save(self, step: int, modules: nn.Module, optimizer: torch.optim.Optimizer, **extra: object) -> None:
        """Writes the checkpoint whole or not at all."""
        state = {
            "step": step,
            "seconds": self.seconds,
            "model": modules.state_dict(),
            "optimizer": optimizer.state_dict(),
            **extra,
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)

    def resume(self, modules: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
        """Loads the checkpoint into `modules` and `optimizer`; returns its dict, or `{"step": 0}`."""
        if not self.checkpoint.exists():
            return {"step": 0}
        state = torch.load(self.checkpoint, weights_only=True)
        modules.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        self._seconds_before = state["seconds"]
        return state


def warm_cosine(step: int, steps: int, *, warmup: int, floor: float = 0.05) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))
