"""What a training can be asked for: frozen, validated, free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dynfocus_cli.errors import UsageError

Stage = Literal["align", "instruct"]
Tune = Literal["lora", "qlora", "full"]
Precision = Literal["auto", "bf16", "float32"]
TrainedScorer = Literal["visual", "question"]
"""Scorers with weights that can learn."""

MOST_STEPS, MOST_SAMPLES = 1_000_000_000, 10_000


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained: the flags of `dynfocus train` that decide on its curve."""

    stage: Stage = "instruct"
    tune: Tune | None = None
    """How the language model is trained in stage instruct; None: `full` for a small model, else `lora`, and
    `qlora` for a quantized one."""
    batch: int = 4
    """Examples that go through the network together."""
    accumulate: int = 1
    """Batches a step."""
    rate: float | None = None
    """Peak learning rate; None takes what suits stage and tune."""
    epochs: float = 3.0
    max_steps: int | None = None
    """Takes the place of `epochs`."""
    warmup: float = 0.03
    """Share of the steps."""
    sigma: float = 0.1
    """Noise of the perturbed top-k at the first step; it falls to 0 at the last."""
    samples: int = 500
    """Draws of that noise."""
    lora_rank: int = 16
    precision: Precision = "auto"
    checkpointing: bool | None = None
    """Whether the language model's activations are computed twice rather than kept; None: for a large one."""
    seed: int = 0

    def __post_init__(self) -> None:
        least_one = {
            "--batch-size": self.batch,
            "--accumulate": self.accumulate,
            "--samples": self.samples,
            "--lora-rank": self.lora_rank,
        }
        for flag, number in least_one.items():
            if number < 1:
                raise UsageError(f"{flag} must be at least 1, got {number}.")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise UsageError(f"--lr must lie above 0 and at most 1, got {self.rate:g}.")
        if self.samples > MOST_SAMPLES:
            raise UsageError(f"--samples must be at most {MOST_SAMPLES:,}, got {self.samples}.")
        if not (self.epochs > 0 and math.isfinite(self.epochs)):
            raise UsageError(f"--epochs must be a number above 0, got {self.epochs:g}.")
        if self.max_steps is not None and not 1 <= self.max_steps <= MOST_STEPS:
            raise UsageError(f"--max-steps must be at least 1 and at most {MOST_STEPS:,}.")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"--warmup must be a share from 0 to below 1, got {self.warmup:g}.")
        if not 0 <= self.sigma <= 10:
            raise UsageError(f"--sigma must lie between 0 and 10, got {self.sigma:g}.")
        if self.stage == "align" and self.tune is not None:
            raise UsageError("--tune is for --stage instruct: align leaves the language model as it is.")

    def steps(self, examples: int) -> int:
        """Optimizer steps for so many examples.

        Raises:
            UsageError: more of them than anybody lives to see.
        """
        if self.max_steps is not None:
            return self.max_steps
        steps = self.epochs * examples / (self.batch * self.accumulate)
        if steps > MOST_STEPS:
            raise UsageError(f"--epochs {self.epochs:g} are {steps:.1g} steps: {MOST_STEPS:,} at most.")
        return max(1, round(steps))
