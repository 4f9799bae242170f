"""What a training can be asked for: declared once, frozen, validated, free of torch."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Literal

from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import AT_LEAST_ONE, SHARE, Range, check_values, flag
from dynfocus_cli.options import SEED, RunOptions
from dynfocus_cli.types import Scorer

Stage = Literal["align", "instruct"]
Tune = Literal["lora", "qlora", "full"]
Precision = Literal["auto", "bf16", "float32"]
TrainedScorer = Literal["visual", "question"]
"""Scorers with weights that can learn."""

TRAIN = ("train",)
PARSED_COUNT = Range("be at least 1", 1, by_parser=True)
MOST_STEPS, MOST_SAMPLES = 1_000_000_000, 10_000


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a model is trained: what decides on its curve."""

    stage: Stage = flag(
        "--stage",
        TRAIN,
        "align: the connector learns from captions. instruct: score network, connector and language "
        "model learn from questions and answers.",
        default="instruct",
    )
    tune: Tune | None = flag(
        "--tune",
        TRAIN,
        "Of the language model learn adapters (lora), adapters over 4 bits (qlora), or all. "
        "Default: what suits its size.",
    )
    """None in stage instruct: `full` for a small model, else `lora`, and `qlora` for a quantized one."""
    epochs: float = flag(
        "--epochs N",
        TRAIN,
        "Times through the data.",
        Range("be a number above 0", 0, without=(0, math.inf)),
        default=3.0,
        affects_result=False,
    )
    max_steps: int | None = flag("--max-steps N", TRAIN, "Steps, in place of --epochs.", affects_result=False)
    batch: int = flag("--batch-size N", TRAIN, "Examples that go through together.", AT_LEAST_ONE, default=4)
    accumulate: int = flag(
        "--accumulate N", TRAIN, "Batches a step; takes no more memory.", AT_LEAST_ONE, default=1
    )
    rate: float | None = flag(
        "--lr F", TRAIN, "Highest learning rate. Default: what suits stage and tune.", SHARE
    )
    warmup: float = flag(
        "--warmup SHARE",
        TRAIN,
        "Share of the steps until it is reached.",
        Range("be a share from 0 to below 1", 0, 1, without=(1,)),
        default=0.03,
    )
    sigma: float = flag(
        "--sigma F",
        TRAIN,
        "Noise on the choice of key frames at first; falls to 0.",
        Range("lie between 0 and 10", 0, 10),
        default=0.1,
    )
    """Of the perturbed top-k at the first step."""
    samples: int = flag("--samples N", TRAIN, "Draws of that noise a step.", AT_LEAST_ONE, default=500)
    lora_rank: int = flag("--lora-rank N", TRAIN, "Rank of adapters.", AT_LEAST_ONE, default=16)
    precision: Precision = flag(
        "--precision", TRAIN, "What is computed in; auto: what suits model and device.", default="auto"
    )
    checkpointing: bool | None = flag(
        "--checkpointing/--no-checkpointing",
        TRAIN,
        "Compute activations twice rather than keep them. Default: for a large model.",
    )
    """Of the language model."""
    seed: int = flag("--seed", TRAIN, "Decides on split, order and noise.", SEED, default=0)

    def __post_init__(self) -> None:
        check_values(self)
        if self.samples > MOST_SAMPLES:
            raise UsageError(f"`samples` must be at most {MOST_SAMPLES:,}, got {self.samples}.")
        if self.max_steps is not None and not 1 <= self.max_steps <= MOST_STEPS:
            raise UsageError(f"`max_steps` must be at least 1 and at most {MOST_STEPS:,}.")
        if self.stage == "align" and self.tune is not None:
            raise UsageError("`tune` is for `stage=instruct`: align leaves the language model as it is.")

    def steps(self, examples: int) -> int:
        """Optimizer steps for so many examples.

        Raises:
            UsageError: more of them than anybody lives to see.
        """
        if self.max_steps is not None:
            return self.max_steps
        steps = self.epochs * examples / (self.batch * self.accumulate)
        if steps > MOST_STEPS:
            raise UsageError(f"`epochs={self.epochs:g}` are {steps:.1g} steps: {MOST_STEPS:,} at most.")
        return max(1, round(steps))


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained, on what, and how."""

    data: Path = flag(
        "DATA",
        TRAIN,
        "LLaVA's JSON, JSON lines with video, question and answer, or a folder of videos.",
        default=MISSING,
    )
    destination: Path = flag("OUT", TRAIN, "Model folder to write; it must not exist.", default=MISSING)
    model: str | None = flag(
        "--model NAME|PATH", TRAIN, "DynFocus model to begin with; the shipped dynfocus-tiny by default."
    )
    device: str = "auto"
    quantize: Literal["none", "nf4"] | None = flag(
        "--quantize", TRAIN, "Bits of what does not learn of the language model."
    )
    media: Path | None = flag("--media FOLDER", TRAIN, "Where the data's paths of videos begin.")
    recursive: bool = False
    """Take the videos below folders as well."""
    validation: str = flag(
        "--validation SHARE|FILE",
        TRAIN,
        "Share of the videos to hold back and measure on, or a data file; 0 for none.",
        default="0.1",
    )
    options: RunOptions = field(default_factory=RunOptions)
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    save_every: int | None = flag("--save-every N", TRAIN, "Steps between checkpoints.", PARSED_COUNT)
    """None: twenty times a run, and never more than 500 apart."""
    validate_every: int | None = flag("--validate-every N", TRAIN, "Steps between validations.", PARSED_COUNT)
    """None: once an epoch."""

    @property
    def trained_scorer(self) -> Scorer | None:
        """The scorer that is trained, which the result takes too; None: the model's own."""
        return self.options.selection.scorer if self.settings.stage == "instruct" else None
