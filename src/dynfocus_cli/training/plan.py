"""The plan of a training: its data, model and settings, and what it takes, before weights are loaded."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL
from dynfocus_cli.device import SMALL_BYTES, free_memory
from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import json_digest
from dynfocus_cli.flags import values_of
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.open import read_model_spec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.scorers import SCORERS
from dynfocus_cli.training.example_items import Problem
from dynfocus_cli.training.examples import read_examples
from dynfocus_cli.training.forecast import BatchShape, TrainingMemory, TrainingMemoryModel
from dynfocus_cli.training.parts import PartSize, part_sizes, require_peft, trained_parts
from dynfocus_cli.training.planned_example import PlannedExample, plan_examples
from dynfocus_cli.training.run_record import require_free
from dynfocus_cli.training.settings import TrainingRequest, TrainingSettings, Tune
from dynfocus_cli.training.split import parse_share, split
from dynfocus_cli.types import Quantization

ALIGN_RATE, ADAPTER_RATE = 1e-3, 2e-4
"""Highest learning rates where none is named."""
SMALL_RATE, LARGE_RATE = 3e-4, 2e-5
"""As above, of all weights of a small language model and of a large one: the latter is that of LLaVA-1.5."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A request with everything that is decided before weights are loaded."""

    request: TrainingRequest
    spec: DynFocusSpec
    settings: TrainingSettings
    """With nothing left open."""
    tune: Tune
    train: tuple[PlannedExample, ...]
    validation: tuple[PlannedExample, ...]
    problems: tuple[Problem, ...]
    sizes: tuple[PartSize, ...]
    memory: TrainingMemory
    autocast: torch.dtype | None
    free: int
    added_scorer: bool | None
    """Whether a score network that is added reads the question; None: none is added."""

    @property
    def fits(self) -> bool:
        """Whether the memory is there."""
        return self.memory.peak <= self.free

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return self.settings.steps(len(self.train))

    def fingerprint(self) -> dict[str, Any]:
        """All that decides on the run's losses, by the names that messages give it."""
        unused = {"lora_rank"} if self.tune == "full" else set()
        if self.settings.stage == "align":
            unused |= {"tune", "lora_rank", "sigma", "samples"}
        return {
            "model": f"{self.spec.name} {self.spec.info.revision}",
            "quantization": self.spec.quantization,
            **_deciding(self.settings, unused),
            "steps": self.steps,
            **_deciding(self.request.options),
            "`scorer`": self.request.options.selection.scorer,
            "training examples": _text_digest(self.train),
            "their videos": _file_digest(self.train),
            "validation examples": _text_digest(self.validation),
            "validation videos": _file_digest(self.validation),
        }


def _deciding(options: TrainingSettings | RunOptions, unused: Collection[str] = ()) -> dict[str, Any]:
    """Option -> value, of those of `train` that decide on the losses."""
    return {
        f"`{flag.field_name}`": value
        for flag, value in values_of(options)
        if flag.affects_result and "train" in flag.commands and flag.field_name not in unused
    }


def plan_training(request: TrainingRequest) -> TrainingPlan:
    """Reads the data and plans the run, without loading weights or decoding more than a frame a video.

    Raises:
        UsageError: the data holds nothing to train on, or an option makes no sense for it or the model.
        ModelUnavailable: the model, or a package.
    """
    require_free(request.destination)
    spec = _read_spec(request)
    settings, tune = _completed(request.settings, spec)
    if tune != "full" and "language model" in trained_parts(settings.stage):
        require_peft()
    added_scorer = _added_scorer(spec, request)
    train, validation, problems = _examples(request, _with_scorer(spec, request, added_scorer))
    sizes = part_sizes(spec.config, settings.stage, tune, settings.lora_rank, added_scorer)
    half = settings.precision == "bf16"
    memory_model = TrainingMemoryModel(
        spec.config, spec.memory, sizes, tune, settings.lora_rank, half, bool(settings.checkpointing)
    )
    return TrainingPlan(
        request=request,
        spec=spec,
        settings=settings,
        tune=tune,
        train=train,
        validation=validation,
        problems=problems,
        sizes=tuple(sizes),
        memory=memory_model.need(BatchShape.largest(train, len(spec.prompt.before_video), settings.batch)),
        autocast=torch.bfloat16 if half else None,
        free=free_memory(spec.device),
        added_scorer=added_scorer,
    )


def _text_digest(examples: Sequence[PlannedExample]) -> str:
    """Which examples they are."""
    texts = [(one.example.identity, one.example.question, one.example.answer) for one in examples]
    return f"{len(texts)} (digest {json_digest(texts)[:12]})"


def _file_digest(examples: Sequence[PlannedExample]) -> str:
    """Which files they are about, and the state of these."""
    files = dict[str, tuple[int, int]]()
    for one in examples:
        with suppress(OSError):  # gone since it was probed: encoding it will say so
            status = os.stat(one.example.video)
            files[one.example.identity] = (status.st_size, status.st_mtime_ns)
    return f"{len(files)} (digest {json_digest(sorted(files.items()))[:12]})"


def _examples(
    request: TrainingRequest, spec: DynFocusSpec
) -> tuple[tuple[PlannedExample, ...], tuple[PlannedExample, ...], tuple[Problem, ...]]:
    """Training examples, validation examples and problems. Only usable examples are split, so that a damaged
    video costs neither side more than itself."""
    parse_share(request.validation)  # an error in it is raised before videos are looked at
    read = read_examples(request.data, request.media, recursive=request.recursive)
    planned, broken = plan_examples(read.usable, spec, request.options)
    problems = [*read.problems, *broken]
    try:
        if not planned:
            raise UsageError(f"Of {request.data} no example is left to train on.")
        train, validation, on_both_sides = split(
            [one.example for one in planned],
            request.validation,
            request.media,
            request.settings.seed,
            recursive=request.recursive,
        )
    except UsageError as error:
        raise UsageError(f"{error}{_also(problems)}") from error
    by_example = {one.example: one for one in planned}
    known = [by_example[example] for example in validation if example in by_example]
    others = [example for example in validation if example not in by_example]
    more, broken_too = plan_examples(others, spec, request.options)
    if validation and not (known or more):
        raise UsageError(f"Of {request.validation} no example is left to validate on.{_also(broken_too)}")
    return (
        tuple(by_example[example] for example in train),
        (*known, *more),
        (*problems, *on_both_sides, *broken_too),
    )


def _also(problems: Sequence[Problem]) -> str:
    """The end of an error's message: the problems before it."""
    if not problems:
        return ""
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f" Passed over: {str(problems[0]).removesuffix('.')}{more}."


def _read_spec(request: TrainingRequest) -> DynFocusSpec:
    """The model, quantized where QLoRA asks for it."""
    # Not the model that `ask` would take: that may be a public one, or one that is no base to begin with.
    name, tune, quantize = request.model or DEFAULT_MODEL, request.settings.tune, request.quantize
    spec = _dynfocus_spec(name, request.device, quantize)
    if tune == "qlora" and quantize == "none":
        raise UsageError("`tune=qlora` trains over 4 bits: leave `quantize=none` out, or take `tune=lora`.")
    if tune == "qlora" and spec.quantization == "none":
        spec = _dynfocus_spec(name, request.device, "nf4")
    if spec.quantization == "int8":
        raise UsageError("A model in int8 cannot be trained: take it in 16 bits, or in nf4 (`tune=qlora`).")
    if tune in ("lora", "full") and spec.quantization == "nf4":
        raise UsageError(
            f"{spec.name} is in 4 bits here, and `tune={tune}` takes a model in 16 or 32: take `tune` "
            "qlora, or one that is not quantized."
        )
    return spec


def _dynfocus_spec(name: str, device: str, quantize: Quantization | None) -> DynFocusSpec:
    spec = read_model_spec(name, device, quantize)
    if not isinstance(spec, DynFocusSpec):
        raise UsageError(
            f"{spec.name} is no DynFocus network: `dynfocus train` trains those, the shipped "
            "dynfocus-tiny or one of `dynfocus models convert`."
        )
    return spec


def _completed(settings: TrainingSettings, spec: DynFocusSpec) -> tuple[TrainingSettings, Tune]:
    """The settings with what suits the model in place of what was left open."""
    small = spec.memory.weights <= SMALL_BYTES
    tune: Tune = settings.tune or ("qlora" if spec.quantization == "nf4" else "full" if small else "lora")
    rate = settings.rate
    if rate is None and settings.stage == "align":
        rate = ALIGN_RATE
    elif rate is None:
        rate = ADAPTER_RATE if tune != "full" else SMALL_RATE if small else LARGE_RATE
    in_float32 = spec.dtype == torch.float32 and spec.quantization == "none"
    if settings.precision == "float32" and not in_float32:
        raise UsageError(f"{spec.name} runs in 16 bits here: leave `precision` out, or take bf16.")
    precision = settings.precision
    if precision == "auto":
        precision = "float32" if in_float32 and spec.device.type != "cuda" else "bf16"
    completed = replace(
        settings,
        rate=rate,
        checkpointing=not small if settings.checkpointing is None else settings.checkpointing,
        precision=precision,
        tune=tune if settings.stage == "instruct" else None,
    )
    return completed, tune


def _added_scorer(spec: DynFocusSpec, request: TrainingRequest) -> bool | None:
    """Whether a score network that has to be added reads the question; None where the model has what it
    needs."""
    scorer, config = request.options.selection.scorer, spec.config
    if request.settings.stage == "align":
        return None
    if scorer is not None and not SCORERS[scorer].learned:
        raise UsageError(
            f"`scorer={scorer}` has no weights to learn: `stage=instruct` takes `scorer=visual` or question."
        )
    if not config.score_network:
        return scorer == "question"
    return True if scorer == "question" and not config.question_aware_score else None


def _with_scorer(spec: DynFocusSpec, request: TrainingRequest, added_scorer: bool | None) -> DynFocusSpec:
    """The spec as if it had the score network that is to be added, and the scorer that is trained."""
    config = type(spec.config).from_dict(spec.config.to_dict())
    if added_scorer is not None:
        config.score_network, config.question_aware_score = True, added_scorer
        config.scorer = "question" if added_scorer else "visual"
    config.scorer = request.trained_scorer or config.scorer
    return replace(spec, config=config)
