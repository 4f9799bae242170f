"""Several processes that train one network, each on lessons of its own.

    torchrun --nproc-per-node 2 -m dynfocus_tiny.wide --materials materials

A step of the optimizer takes the mean of what all of them found, so that their networks stay equal. On a CPU
two processes with a thread each do nearly twice as much as one; one process with two threads does not.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

PATIENCE = timedelta(hours=6)
"""For which a process waits for the others: one may still be drawing clips that another has done."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes of a run."""

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that validates and writes the model folder."""
        return self.number == 0

    def folder(self, work: Path) -> Path:
        """Where it keeps its checkpoints and clips: the first one in the run's folder."""
        return work if self.is_first else work / f"worker-{self.number}"


ALONE = Worker()


def join() -> Worker:
    """The worker that this process is: the only one, unless `torchrun` started it beside others."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    distributed.init_process_group("gloo", timeout=PATIENCE)
    register_optimizer_step_pre_hook(average_gradients)
    return Worker(distributed.get_rank(), count)


def lesson_rng(seed: int, number: int) -> random.Random:
    """What a lesson is drawn with: from its number alone, and in each process otherwise."""
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    return random.Random(seed * 1_000_003 + number + 1_000_000_007 * rank)


@torch.no_grad()
def average_gradients(optimizer: Optimizer, *_: Any) -> None:
    """Gives the optimizer's parameters the mean of all processes' gradients: zero counts for none."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    parts = together.split([parameter.numel() for parameter in parameters])
    for parameter, mean in zip(parameters, parts, strict=True):
        parameter.grad = mean.view_as(parameter)
