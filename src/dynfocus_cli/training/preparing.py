"""What is to be trained, and everything that is found out of it before weights are loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dynfocus_cli.backends.native import ModelOutline
from dynfocus_cli.checkpoints.folder import SMALL_BYTES
from dynfocus_cli.checkpoints.loading import outline_model
from dynfocus_cli.checkpoints.quantization import Quantization
from dynfocus_cli.errors import UsageError
from dynfocus_cli.planning.device import free_memory
from dynfocus_cli.run_options import RunOptions
from dynfocus_cli.training import parts, run_record
from dynfocus_cli.training.examples import Problem, read_examples
from dynfocus_cli.training.forecast import LessonShape, TrainingMemory, TrainingMemoryModel, part_sizes
from dynfocus_cli.training.parts import PartSize, learning_parts
from dynfocus_cli.training.planned import Planned, plan_examples
from dynfocus_cli.training.settings import TrainingSettings, Tune
from dynfocus_cli.training.split import held_back

SMALL_MODEL = SMALL_BYTES
"""Weights up to which all of a language model is trained where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is to be trained, on what, and how."""

    data: Path
    destination: Path
    model: str | None = None
    device: str = "auto"
    quantize: Quantization | None = None
    media: Path | None = None
    validation: str = "0.1"
    options: RunOptions = field(default_factory=RunOptions)
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    save_every: int | None = None
    """Steps; None: twenty times a run, and at most every 500."""
    validate_every: int | None = None
    """Steps; None: once an epoch."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with all that was found out before weights are loaded."""

    request: TrainingRequest
    outline: ModelOutline
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
    def steps(self) -> int:
        """Optimizer steps."""
        return self.settings.steps(len(self.train))


def prepare(request: TrainingRequest) -> Prepared:
    """Reads the data and plans the run, without loading weights or decoding more than a frame a video.

    Raises:
        UsageError: the data holds nothing to train on, or an option makes no sense for it or the model.
        ModelUnavailable: the model, or a package.
    """
    outline = _outline(request)
    settings, tune = _settled(request.settings, outline)
    if tune != "full" and "language model" in learning_parts(settings.stage):
        parts.require_peft()
    read = read_examples(request.data, request.media)
    train, validation, apart = held_back(read.usable, request.validation, request.media, settings.seed)
    grown = _grown(outline, request, settings)
    scored = _scoring(outline, grown)
    longest = min(outline.config.qformer_config.max_position_embeddings, 256)
    to_train, broken = plan_examples(train, scored, request.options, longest)
    to_validate, broken_too = plan_examples(validation, scored, request.options, longest)
    problems = (*read.problems, *apart, *broken, *broken_too)
    _require_some(request, "train on", train, to_train, broken)
    if validation:
        _require_some(request, "validate on", validation, to_validate, broken_too)
    sizes = part_sizes(outline.config, settings.stage, tune, settings.lora_rank, grown)
    autocast = _autocast(settings, outline)
    checkpointing = bool(settings.checkpointing)
    model = TrainingMemoryModel(
        outline.config, outline.memory, sizes, tune, settings.lora_rank, autocast is not None, checkpointing
    )
    shape = LessonShape.largest(to_train, len(outline.prompt.before_video), settings.batch)
    return Prepared(
        request,
        outline,
        settings,
        tune,
        tuple(to_train),
        tuple(to_validate),
        problems,
        tuple(sizes),
        model.need(shape),
        autocast,
        free_memory(outline.device),
        grown,
    )


def begins_with(prepared: Prepared) -> dict[str, Any]:
    """All that decides on a run's curve."""
    request, settings = prepared.request, prepared.settings
    examples = [(one.example.video, one.example.question, one.example.answer) for one in prepared.train]
    held = [(one.example.video, one.example.question, one.example.answer) for one in prepared.validation]
    flags = {
        "stage": "--stage",
        "tune": "--tune",
        "batch": "--batch-size",
        "accumulate": "--accumulate",
        "rate": "--lr",
        "warmup": "--warmup",
        "sigma": "--sigma",
        "samples": "--samples",
        "lora_rank": "--lora-rank",
        "precision": "--precision",
        "checkpointing": "--checkpointing",
        "seed": "--seed",
    }
    fields = asdict(settings)
    return {
        "model": f"{prepared.outline.name} {prepared.outline.info.revision}",
        "quantization": prepared.outline.quantization,
        **{flag: fields[name] for name, flag in flags.items()},
        "steps": prepared.steps,
        "sampling": asdict(request.options.sampling),
        "selection": asdict(request.options.selection),
        "training examples": f"{len(examples)} ({run_record.digest(examples)})",
        "validation examples": f"{len(held)} ({run_record.digest(held)})",
    }


def _outline(request: TrainingRequest) -> ModelOutline:
    """The model, quantized where QLoRA asks for it."""
    outline = outline_model(request.model, request.device, request.quantize)
    if not isinstance(outline, ModelOutline):
        raise UsageError(
            f"{outline.name} is no DynFocus network: `dynfocus train` trains those, the shipped "
            "dynfocus-tiny or one of `dynfocus models convert`."
        )
    tune = request.settings.tune
    if tune == "qlora" and outline.quantization == "none":
        outline = outline_model(request.model, request.device, "nf4")
        assert isinstance(outline, ModelOutline)
    if outline.quantization == "int8":
        raise UsageError("A model in int8 cannot be trained: take it in 16 bits, or in nf4 (--tune qlora).")
    if tune in ("lora", "full") and outline.quantization == "nf4":
        raise UsageError(
            f"{outline.name} is quantized, and --tune {tune} takes a model in 16 or 32 bits: take --tune "
            "qlora."
        )
    return outline


def _settled(wanted: TrainingSettings, outline: ModelOutline) -> tuple[TrainingSettings, Tune]:
    """What was left open."""
    small = outline.memory.weights <= SMALL_MODEL
    tune: Tune = wanted.tune or ("qlora" if outline.quantization == "nf4" else "full" if small else "lora")
    rate = wanted.rate
    if rate is None:
        rate = 1e-3 if wanted.stage == "align" else 3e-4 if tune == "full" and small else 2e-4
    checkpointing = wanted.checkpointing
    if checkpointing is None:
        checkpointing = not small
    precision = wanted.precision
    if precision == "auto":
        half = outline.device.type == "cuda" or outline.dtype != torch.float32
        precision = "bf16" if half else "float32"
    if precision == "float32" and (outline.dtype != torch.float32 or outline.quantization != "none"):
        if wanted.precision == "float32":
            raise UsageError(f"{outline.name} runs in 16 bits here: leave --precision out, or take bf16.")
        precision = "bf16"
    settled = replace(wanted, rate=rate, checkpointing=checkpointing, precision=precision)
    if wanted.stage == "instruct":
        settled = replace(settled, tune=tune)
    return settled, tune


def _autocast(settings: TrainingSettings, outline: ModelOutline) -> torch.dtype | None:
    return torch.bfloat16 if settings.precision == "bf16" else None


def _grown(outline: ModelOutline, request: TrainingRequest, settings: TrainingSettings) -> bool | None:
    """Whether a score network has to be added, and reads the question then."""
    wanted, config = request.options.selection.scorer, outline.config
    if settings.stage == "align":
        return None
    if wanted in ("attention", "density"):
        raise UsageError(
            f"--scorer {wanted} has no weights to learn: --stage instruct takes --scorer visual or question."
        )
    if not config.score_network:
        return wanted == "question"
    return True if wanted == "question" and not config.question_aware_score else None


def _scoring(outline: ModelOutline, grown: bool | None) -> ModelOutline:
    """The outline as if it had the score network that is to be added."""
    if grown is None:
        return outline
    config = type(outline.config).from_dict(outline.config.to_dict())
    config.score_network, config.question_aware_score = True, grown
    config.scorer = "question" if grown else "visual"
    return replace(outline, config=config)


def _require_some(
    request: TrainingRequest, what: str, given: Any, kept: list[Planned], broken: list[Problem]
) -> None:
    if not kept:
        said = f": {broken[0]}" if broken else "."
        raise UsageError(f"Of {request.data} no example is left to {what}{said}")
