"""A step of a run, and what carries it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dynfocus_cli.evaluation.arm import Arm
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.records import Conditions
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.types import VideoSource


@dataclass(frozen=True, slots=True)
class Step:
    """One item by one arm."""

    item: Item
    arm: Arm


class Executor(ABC):
    """Carries out the steps of a run: what a model does with the items of one kind of benchmark."""

    def __init__(self, conditions: Conditions, options: RunOptions) -> None:
        self.conditions = conditions
        self.options = options

    @abstractmethod
    def arms(self, names: Sequence[str] | None, model: ModelSpec) -> Sequence[Arm]:
        """The arms of these names, each once, or the default ones.

        Raises:
            UsageError: there is no such arm, or the model cannot do it.
        """

    def settings(self, model: ModelSpec) -> dict[str, Any]:
        """What its predictions depend on beside the conditions, the model and the options; flat.

        Raises:
            UsageError: the model cannot do what the benchmark asks for.
        """
        return {}

    @abstractmethod
    def predict(
        self,
        step: Step,
        source: VideoSource,
        model: Backend,
        progress: Progress,
        prefetch: Prefetch | None,
    ) -> Record:
        """The record of a step. Raises DynFocusError, as `ask` and `find` do."""

    def prefetch(self, step: Step, source: VideoSource, model: Backend) -> Prefetch | None:
        """Begins to decode for a step while another one is at work. Raises as `predict` does."""
        return None


def peak_memory(model: Backend) -> int | None:
    """Bytes, the most since `reset_peak_memory`; None where they cannot be counted."""
    device = model.spec.device
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def reset_peak_memory(model: Backend) -> None:
    """Begins to count anew."""
    if model.spec.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.spec.device)
