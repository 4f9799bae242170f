"""`dynfocus train`: from a data file and a model folder to another model folder, in one function."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from dynfocus_cli.backends.native import LoadedModel, ModelOutline
from dynfocus_cli.checkpoints.folder import SMALL_BYTES
from dynfocus_cli.checkpoints.loading import load_weights, outline_model
from dynfocus_cli.checkpoints.quantization import Quantization
from dynfocus_cli.checkpoints.workplace import finish, workplace
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.planning.device import free_memory, ran_out, release
from dynfocus_cli.progress import Progress
from dynfocus_cli.run_options import RunOptions
from dynfocus_cli.training import parts, run_record
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.examples import Problem, read_examples
from dynfocus_cli.training.export import export
from dynfocus_cli.training.footage import Footage
from dynfocus_cli.training.forecast import LessonShape, TrainingMemory, TrainingMemoryModel, part_sizes
from dynfocus_cli.training.learner import Learner
from dynfocus_cli.training.model_card import write_card
from dynfocus_cli.training.parts import PartSize, learning, learning_parts
from dynfocus_cli.training.planned import Planned, plan_examples
from dynfocus_cli.training.settings import TrainingSettings, Tune
from dynfocus_cli.training.split import held_back
from dynfocus_cli.training.trainer import (
    LOG,
    WEIGHTS,
    Course,
    LessonTrainer,
    Rates,
    add_to_log,
    load_learned,
    log_lines,
)
from dynfocus_cli.training.validation import Score, validate

BEST, BEFORE = "best", "before.json"
TIMED_STEPS = 2
"""Steps that a small model is timed on for the forecast."""
SMALL_MODEL = SMALL_BYTES
"""Weights up to which all of a language model is trained where nothing else is asked for."""
FAMILIAR_MARGIN = 1.25
"""How far beyond the farthest video that was learned from a video of another world begins."""
SCORE_SHARE = 0.5
"""Of the learning rate, for the score network: its gradient is an estimate."""

LESS = "try --batch-size 1 with --accumulate, --checkpointing, --tune qlora, or fewer frames."

Tell = Callable[[str], None]


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


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training."""

    folder: Path
    steps: int
    best_step: int
    """That the weights are of."""
    before: Score | None
    after: Score | None
    problems: tuple[Problem, ...]
    seconds: float


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


def time_a_step(prepared: Prepared, folder: Path, progress: Progress) -> float | None:
    """Seconds of one step, measured on a few, where the model is small; None for a large one.

    Args:
        folder: for the features of the videos that are looked at; empty.
    """
    if prepared.outline.memory.weights > SMALL_MODEL:
        return None
    with _quietly(prepared):
        return _timed(prepared, folder, progress)


def _timed(prepared: Prepared, folder: Path, progress: Progress) -> float | None:
    model = _loaded(prepared)
    few = replace(prepared.settings, max_steps=TIMED_STEPS)
    drawn = prepared.train[: few.batch * few.accumulate]
    footage = Footage(folder, model, prepared.request.options)
    kept, _ = footage.gather(drawn, progress)
    if not kept:
        return None
    _set_learning(model, prepared)
    batches = Batches(kept, footage, model.outline, prepared.request.options, few)
    learner = Learner(model.network, model.prompt, model.device, prepared.autocast)
    taken = []
    for number in range(len(batches)):
        began = time.perf_counter()
        learner(batches[number]).backward()
        taken.append(time.perf_counter() - began)
    return min(taken) * few.accumulate


@contextmanager
def _quietly(prepared: Prepared) -> Iterator[None]:
    """For a small network one thread: its tensors are too small to be shared, and on busy cores two threads
    are five times slower."""
    before = torch.get_num_threads()
    if prepared.outline.device.type == "cpu" and prepared.outline.memory.weights <= SMALL_MODEL:
        torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
            warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
            yield
    finally:
        torch.set_num_threads(before)


def fine_tune(prepared: Prepared, progress: Progress, tell: Tell) -> Trained:
    """Trains, or goes on where the same command was interrupted, and writes the model folder.

    Args:
        tell: is given a line on what was found out, now and then.

    Raises:
        UsageError: the model folder is there, or its run was begun with other settings.
        ModelUnavailable: the disk is at fault.
        OutOfMemory: the run would take, or took, more than there is.
    """
    request = prepared.request
    began = time.monotonic()
    if prepared.memory.peak > prepared.free:
        raise OutOfMemory(
            f"This training takes about {_gib(prepared.memory.peak)}, and {_gib(prepared.free)} are free: "
            f"{LESS}"
        )
    with _quietly(prepared), run_record.begun(request.destination, _begins_with(prepared)) as work:
        try:
            model = _loaded(prepared)
            footage = Footage(work / "features", model, request.options)
            train, broken = footage.gather(prepared.train, progress)
            problems = (*prepared.problems, *broken)
            if not train:
                raise UsageError(f"No video of {request.data} can be decoded: {broken[0]}")
            held = [one.example for one in prepared.validation]
            before = _measured_before(work, model, held, prepared, progress)
            if before is not None:
                tell(f"Before: {_said(before)}.")
            _set_learning(model, prepared)
            best_step, after = _learn(work, model, train, footage, held, prepared, progress, tell)
            if after is not None:
                tell(f"After: {_said(after)}.")
            seconds = time.monotonic() - began
            trained = Trained(
                request.destination, prepared.steps, best_step, before, after, problems, seconds
            )
            _write(work, model, footage, prepared, trained, len(train), progress)
        except (OSError, SafetensorError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise ModelUnavailable(
                f"{request.destination} could not be written: {why}. Make room and give the same command "
                "again."
            ) from error
        except Exception as error:
            if not ran_out(error):
                raise
            raise OutOfMemory(f"Memory ran out: {LESS}") from error
        shutil.rmtree(work, ignore_errors=True)
    return trained


def _learn(
    work: Path,
    model: LoadedModel,
    train: list[Planned],
    footage: Footage,
    held: list[Any],
    prepared: Prepared,
    progress: Progress,
    tell: Tell,
) -> tuple[int, Score | None]:
    """Leads the model through its steps, and leaves the best of its weights in it; returns their step and
    what they score."""
    request, settings = prepared.request, prepared.settings
    batches = Batches(train, footage, model.outline, request.options, settings)
    every = request.validate_every or max(1, len(train) // (settings.batch * settings.accumulate))
    learner = Learner(model.network, model.prompt, model.device, prepared.autocast)
    assert settings.rate is not None, "it was settled"

    def on_step(step: int, loss: float) -> None:
        progress.advance(1)
        last = step == batches.steps
        if not held or not (step % every == 0 or last):
            return
        score = validate(model, held, request.options, progress, prepared.autocast)
        progress.stage("train", batches.steps)
        progress.advance(step)
        best = run_record.load(work / BEST / "score.json")
        add_to_log(work, step=step, validation=asdict(score))
        tell(f"Step {step} of {batches.steps}: loss {loss:.3f}, {_said(score)}.")
        if best is None or score.right > best["right"]:
            _keep_best(work, learner, step, score)

    course = Course(
        batches.steps,
        settings.accumulate,
        settings.rate,
        round(settings.warmup * batches.steps),
        request.save_every or min(500, max(1, batches.steps // 20)),
        settings.seed,
    )
    trainer = LessonTrainer(work, learner, batches, _rates(model), course, on_step, model.device)
    progress.stage("train", batches.steps)
    progress.advance(trainer.done)
    if trainer.done and trainer.done < batches.steps:
        tell(f"Going on after step {trainer.done} of {batches.steps}.")
    trainer.learn()
    best = run_record.load(work / BEST / "score.json")
    if best is None:
        return batches.steps, None
    load_learned(learner, work / BEST / WEIGHTS)
    return best.pop("step"), Score(**best)


def _keep_best(work: Path, learner: Learner, step: int, score: Score) -> None:
    """Weights of the best validation so far; the old ones stay until these are whole."""
    from safetensors.torch import save_file

    folder, writing, old = work / BEST, work / f"{BEST}.writing", work / f"{BEST}.old"
    for left in (writing, old):
        shutil.rmtree(left, ignore_errors=True)
    writing.mkdir()
    save_file({name: value.detach().cpu() for name, value in learning(learner)}, writing / WEIGHTS)
    run_record.save(writing / "score.json", asdict(score) | {"step": step})
    if folder.exists():
        folder.rename(old)
    writing.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _measured_before(
    work: Path, model: LoadedModel, held: list[Any], prepared: Prepared, progress: Progress
) -> Score | None:
    """What the model knew; measured once a run."""
    if not held:
        return None
    known = run_record.load(work / BEFORE)
    if known is not None:
        return Score(**known)
    score = validate(model, held, prepared.request.options, progress)
    run_record.save(work / BEFORE, asdict(score))
    return score


def _write(
    work: Path,
    model: LoadedModel,
    footage: Footage,
    prepared: Prepared,
    trained: Trained,
    examples: int,
    progress: Progress,
) -> None:
    """The model folder, whole or not at all."""
    known = model.familiarity
    if known is not None:
        threshold = max(known.threshold, FAMILIAR_MARGIN * footage.farthest)
        model = replace(model, familiarity=Familiarity(known.mean, known.whitening, threshold))
    with workplace(prepared.request.destination) as partial:
        export(model, partial, prepared.settings.stage, progress)
        shutil.copyfile(work / LOG, partial / "training_log.jsonl")
        write_card(partial, prepared, trained, examples, list(log_lines(work)))
        finish(partial, prepared.request.destination)


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


def _loaded(prepared: Prepared) -> LoadedModel:
    """The weights, with a score network where the scorer needs one."""
    model = load_weights(prepared.outline, learns=True)
    if prepared.grown is not None:
        parts.grow_score_network(model.network, prepared.grown, prepared.settings.seed)
    return model


def _set_learning(model: LoadedModel, prepared: Prepared) -> None:
    settings = prepared.settings
    parts.set_learning(model.network, settings.stage, prepared.tune, settings.lora_rank, settings.seed)
    if settings.checkpointing:
        how = {"use_reentrant": False}
        for network in (
            model.network.language_model.model,
            model.network.connector.question_encoder.qformer,
        ):
            network.gradient_checkpointing_enable(how)
    if model.device.type == "cuda":
        model.move_vision(torch.device("cpu"))
        release(model.device)


def _rates(model: LoadedModel) -> list[Rates]:
    found: dict[str, list[Any]] = {}
    for name, parameter in learning(model.network):
        found.setdefault(parts.part_of(name), []).append(parameter)
    return [
        Rates(
            part,
            weights,
            SCORE_SHARE if part == "score network" else 1.0,
            0.5 if part == "score network" else 1.0,
        )
        for part, weights in found.items()
    ]


def _begins_with(prepared: Prepared) -> dict[str, Any]:
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


def _require_some(
    request: TrainingRequest, what: str, given: Any, kept: list[Planned], broken: list[Problem]
) -> None:
    if not kept:
        said = f": {broken[0]}" if broken else "."
        raise UsageError(f"Of {request.data} no example is left to {what}{said}")


def _said(score: Score) -> str:
    return f"{score.exact_match:.1%} of {score.questions} right, {score.video_tokens:.0f} video tokens each"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
