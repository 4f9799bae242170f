"""Several processes that train one network, each on lessons of its own.

    torchrun --standalone --nproc-per-node 2 -m -- dynfocus_tiny.wide --materials materials

A step of the optimizer takes the mean of the gradients of all processes, each clipped by its own process, so
that their networks stay equal. On a CPU two processes with a thread each do nearly twice as much as one; one
process with two threads does not.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

TIMEOUT = timedelta(hours=6)
"""For which a process waits for the others: one may still be drawing clips when another is done."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes of a run."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that validates and writes the model folder."""
        return self.rank == 0

    def folder(self, work: Path) -> Path:
        """Where it keeps its checkpoints and clips: the first one in the run's folder."""
        return work if self.is_first else work / f"worker-{self.rank}"

    def take_over(self, work: Path, stage: str) -> None:
        """Goes on with a stage from the checkpoint of the first worker.

        All would have the same, but a kill between two workers' saving leaves them a checkpoint apart. All
        return when the last has copied it, as the first one writes there.
        """
        if not self.is_first:
            own = self.folder(work) / stage
            shutil.rmtree(own, ignore_errors=True)
            if (work / stage).exists():
                shutil.copytree(work / stage, own)
        if distributed.is_initialized():
            distributed.barrier()


ALONE = Worker()


def join() -> Worker:
    """The worker that this process is: the only one, unless `torchrun` started it beside others."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    distributed.init_process_group("gloo", timeout=TIMEOUT)
    register_optimizer_step_pre_hook(average_gradients)
    return Worker(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """Ends what `join` began."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def lesson_rng(seed: int, number: int) -> random.Random:
    """What a lesson is drawn with: its number and the worker's rank give the same lesson each time."""
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    return random.Random(seed * 1_000_003 + number + 1_000_000_007 * rank)


@torch.no_grad()
def average_gradients(optimizer: Optimizer, *_: Any) -> None:
    """Gives the optimizer's parameters the mean of all workers' gradients.

    A worker without a gradient counts as zero; where no worker has one, there is none.
    """
    if not distributed.is_initialized():  # after `leave`
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    has_gradient = torch.tensor([float(parameter.grad is not None) for parameter in parameters])
    together = torch.cat([has_gradient, *(gradient.flatten() for gradient in gradients)])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    share, *means = together.split([len(parameters), *(parameter.numel() for parameter in parameters)])
    for parameter, any_has, mean in zip(parameters, share > 0, means, strict=True):
        parameter.grad = mean.view_as(parameter) if any_has else None
