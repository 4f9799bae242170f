"""What is to be trained, and everything that is found out of it before weights are loaded."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch

from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL
from dynfocus_cli.device import SMALL_BYTES, free_memory
from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import json_digest
from dynfocus_cli.flags import values_of
from dynfocus_cli.models.dynfocus.model import DynFocusSpec
from dynfocus_cli.models.open import read_model_spec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.training import parts, run_record
from dynfocus_cli.training.examples import Problem, read_examples
from dynfocus_cli.training.forecast import LessonShape, TrainingMemory, TrainingMemoryModel, part_sizes
from dynfocus_cli.training.parts import PartSize, learning_parts
from dynfocus_cli.training.planned import Planned, plan_examples
from dynfocus_cli.training.settings import TrainedScorer, TrainingRequest, TrainingSettings, Tune
from dynfocus_cli.training.split import held_back, share_of
from dynfocus_cli.types import Scorer

ALIGN_RATE, ADAPTER_RATE = 1e-3, 2e-4
"""Highest learning rates where none is named."""
SMALL_RATE, LARGE_RATE = 3e-4, 2e-5
"""As above, of all weights of a small language model and of a large one: the latter is that of LLaVA-1.5."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with all that was found out before weights are loaded."""

    request: TrainingRequest
    spec: DynFocusSpec
    settings: TrainingSettings
    """With nothing left open."""
    tune: Tune
    train: tuple[Planned, ...]
    validation: tuple[Planned, ...]
    problems: tuple[Problem, ...]
    sizes: tuple[PartSize, ...]
    memory: TrainingMemory
    autocast: torch.dtype | None
    free: int
    grown: bool | None
    """Whether a score network that is added reads the question; None: none is added."""

    @property
    def fits(self) -> bool:
        """Whether the most that it takes at a time is there."""
        return self.memory.peak <= self.free

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return self.settings.steps(len(self.train))


def prepare(request: TrainingRequest) -> Prepared:
    """Reads the data and plans the run, without loading weights or decoding more than a frame a video.

    Raises:
        UsageError: the data holds nothing to train on, or an option makes no sense for it or the model.
        ModelUnavailable: the model, or a package.
    """
    run_record.require_free(request.destination)
    spec = _read_spec(request)
    settings, tune = _settled(request.settings, spec)
    if tune != "full" and "language model" in learning_parts(settings.stage):
        parts.require_peft()
    grown = _grown(spec, request, settings)
    to_train, to_validate, problems = _examples(request, _scoring(spec, request, grown), settings.seed)
    sizes = part_sizes(spec.config, settings.stage, tune, settings.lora_rank, grown)
    autocast = torch.bfloat16 if settings.precision == "bf16" else None
    checkpointing = bool(settings.checkpointing)
    model = TrainingMemoryModel(
        spec.config, spec.memory, sizes, tune, settings.lora_rank, autocast is not None, checkpointing
    )
    shape = LessonShape.largest(to_train, len(spec.prompt.before_video), settings.batch)
    return Prepared(
        request=request,
        spec=spec,
        settings=settings,
        tune=tune,
        train=to_train,
        validation=to_validate,
        problems=problems,
        sizes=tuple(sizes),
        memory=model.need(shape),
        autocast=autocast,
        free=free_memory(spec.device),
        grown=grown,
    )


def learned_scorer(request: TrainingRequest) -> Scorer | None:
    """The scorer that was asked for and learns, so that the result takes it too; None: the model's own."""
    return request.options.selection.scorer if request.settings.stage == "instruct" else None


def begins_with(prepared: Prepared) -> dict[str, Any]:
    """All that decides on a run's curve."""
    request, settings = prepared.request, prepared.settings
    unused = {"lora_rank"} if prepared.tune == "full" else set()
    if settings.stage == "align":
        unused |= {"tune", "lora_rank", "sigma", "samples"}
    return {
        "model": f"{prepared.spec.name} {prepared.spec.info.revision}",
        "quantization": prepared.spec.quantization,
        **_deciding(settings, unused),
        "steps": prepared.steps,
        **_deciding(request.options),
        "--scorer": request.options.selection.scorer,
        "training examples": _words(prepared.train),
        "their videos": _files(prepared.train),
        "validation examples": _words(prepared.validation),
        "validation videos": _files(prepared.validation),
    }


def _deciding(options: TrainingSettings | RunOptions, unused: Collection[str] = ()) -> dict[str, Any]:
    """Flag -> value, of those of `train` that decide on what is learned."""
    return {
        f"--{flag.key}": value
        for flag, value in values_of(options)
        if flag.affects_result and "train" in flag.commands and flag.field_name not in unused
    }


def _words(planned: Sequence[Planned]) -> str:
    """Which examples they are, in a few letters."""
    said = [(one.example.identity, one.example.question, one.example.answer) for one in planned]
    return f"{len(said)} (digest {json_digest(said)[:12]})"


def _files(planned: Sequence[Planned]) -> str:
    """Which files they are about, and that these are still the same."""
    files = dict[str, tuple[int, int]]()
    for one in planned:
        with suppress(OSError):  # gone since it was probed: it is named when it is to be encoded
            status = os.stat(one.example.video)
            files[one.example.identity] = (status.st_size, status.st_mtime_ns)
    return f"{len(files)} (digest {json_digest(sorted(files.items()))[:12]})"


def _examples(
    request: TrainingRequest, spec: DynFocusSpec, seed: int
) -> tuple[tuple[Planned, ...], tuple[Planned, ...], tuple[Problem, ...]]:
    """What to train on, what to validate on, and what was passed over. Only what can be used is divided, so
    that a damaged video costs neither side more than itself."""
    share_of(request.validation)  # what makes no sense is said before videos are looked at
    longest = spec.config.longest_question
    read = read_examples(request.data, request.media, recursive=request.recursive)
    planned, broken = plan_examples(read.usable, spec, request.options, longest)
    problems = (*read.problems, *broken)
    try:
        if not planned:
            raise UsageError(f"Of {request.data} no example is left to train on.")
        train, validation, apart = held_back(
            [one.example for one in planned],
            request.validation,
            request.media,
            seed,
            recursive=request.recursive,
        )
    except UsageError as error:
        raise UsageError(f"{error}{_also(problems)}") from error
    by_example = {one.example: one for one in planned}
    known = [by_example[example] for example in validation if example in by_example]
    others = [example for example in validation if example not in by_example]
    more, broken_too = plan_examples(others, spec, request.options, longest)
    if validation and not (known or more):
        raise UsageError(
            f"Of {request.validation} no example is left to validate on.{_also(tuple(broken_too))}"
        )
    train_planned = tuple(by_example[example] for example in train)
    return train_planned, (*known, *more), (*problems, *apart, *broken_too)


def _also(problems: Sequence[Problem]) -> str:
    """What an error has to add on what was passed over before it."""
    if not problems:
        return ""
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f" Passed over: {str(problems[0]).removesuffix('.')}{more}."


def _read_spec(request: TrainingRequest) -> DynFocusSpec:
    """The model, quantized where QLoRA asks for it."""
    # Not the model that `ask` would take: that may be a public one, or one that is no base to begin with.
    wanted = request.model or DEFAULT_MODEL
    spec = read_model_spec(wanted, request.device, request.quantize)
    if not isinstance(spec, DynFocusSpec):
        raise UsageError(
            f"{spec.name} is no DynFocus network: `dynfocus train` trains those, the shipped "
            "dynfocus-tiny or one of `dynfocus models convert`."
        )
    tune = request.settings.tune
    if tune == "qlora" and request.quantize == "none":
        raise UsageError("--tune qlora trains over 4 bits: leave --quantize none out, or take --tune lora.")
    if tune == "qlora" and spec.quantization == "none":
        spec = read_model_spec(wanted, request.device, "nf4")
        assert isinstance(spec, DynFocusSpec)
    if spec.quantization == "int8":
        raise UsageError("A model in int8 cannot be trained: take it in 16 bits, or in nf4 (--tune qlora).")
    if tune in ("lora", "full") and spec.quantization == "nf4":
        raise UsageError(
            f"{spec.name} is in 4 bits here, and --tune {tune} takes a model in 16 or 32: take --tune "
            "qlora, or one that is not quantized."
        )
    return spec


def _settled(wanted: TrainingSettings, spec: DynFocusSpec) -> tuple[TrainingSettings, Tune]:
    """What was left open."""
    small = spec.memory.weights <= SMALL_BYTES
    tune: Tune = wanted.tune or ("qlora" if spec.quantization == "nf4" else "full" if small else "lora")
    rate = wanted.rate
    if rate is None:
        full = SMALL_RATE if small else LARGE_RATE
        rate = ALIGN_RATE if wanted.stage == "align" else full if tune == "full" else ADAPTER_RATE
    checkpointing = wanted.checkpointing
    if checkpointing is None:
        checkpointing = not small
    precision = wanted.precision
    if precision == "auto":
        half = spec.device.type == "cuda" or spec.dtype != torch.float32
        precision = "bf16" if half else "float32"
    if precision == "float32" and (spec.dtype != torch.float32 or spec.quantization != "none"):
        if wanted.precision == "float32":
            raise UsageError(f"{spec.name} runs in 16 bits here: leave --precision out, or take bf16.")
        precision = "bf16"
    settled = replace(wanted, rate=rate, checkpointing=checkpointing, precision=precision)
    if wanted.stage == "instruct":
        settled = replace(settled, tune=tune)
    return settled, tune


def _grown(spec: DynFocusSpec, request: TrainingRequest, settings: TrainingSettings) -> bool | None:
    """Whether a score network has to be added, and reads the question then."""
    wanted, config = request.options.selection.scorer, spec.config
    if settings.stage == "align":
        return None
    if wanted is not None and wanted not in get_args(TrainedScorer):
        raise UsageError(
            f"--scorer {wanted} has no weights to learn: --stage instruct takes --scorer visual or question."
        )
    if not config.score_network:
        return wanted == "question"
    return True if wanted == "question" and not config.question_aware_score else None


def _scoring(spec: DynFocusSpec, request: TrainingRequest, grown: bool | None) -> DynFocusSpec:
    """The spec as if it had the score network that is to be added, and the scorer that is to learn."""
    config = type(spec.config).from_dict(spec.config.to_dict())
    if grown is not None:
        config.score_network, config.question_aware_score = True, grown
        config.scorer = "question" if grown else "visual"
    config.scorer = learned_scorer(request) or config.scorer
    return replace(spec, config=config)
