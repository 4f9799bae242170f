"""`dynfocus train`: from a data file and a model folder to another model folder, in one function."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors import SafetensorError

from dynfocus_cli.backends.native import LoadedModel
from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.checkpoints.workplace import finish, workplace
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.planning.device import ran_out
from dynfocus_cli.progress import Progress
from dynfocus_cli.training import run_record
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.examples import Example, Problem
from dynfocus_cli.training.export import export
from dynfocus_cli.training.footage import Footage
from dynfocus_cli.training.learner import Learner
from dynfocus_cli.training.loading import let_learn, load_for_training, quietly
from dynfocus_cli.training.model_card import write_card
from dynfocus_cli.training.parts import learning
from dynfocus_cli.training.planned import Planned
from dynfocus_cli.training.preparing import Prepared, begins_with
from dynfocus_cli.training.trainer import (
    LOG,
    WEIGHTS,
    Course,
    LessonTrainer,
    add_to_log,
    load_learned,
    log_lines,
    rates,
)
from dynfocus_cli.training.validation import Score, validate

BEST, BEFORE = "best", "before.json"
FAMILIAR_MARGIN = 1.25
"""How far beyond the farthest video that was learned from a video of another world begins."""

LESS = "try --batch-size 1 with --accumulate, --checkpointing, --tune qlora, or fewer frames."

Tell = Callable[[str], None]


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
    if not prepared.fits:
        raise OutOfMemory(
            f"This training takes about {readable(prepared.memory.peak)}, and {readable(prepared.free)} are "
            f"free: {LESS}"
        )
    with quietly(prepared), run_record.begun(request.destination, begins_with(prepared)) as work:
        try:
            model = load_for_training(prepared)
            footage = Footage(work / "features", model, request.options)
            train, broken = footage.gather(prepared.train, progress)
            problems = (*prepared.problems, *broken)
            if not train:
                raise UsageError(f"No video of {request.data} can be decoded: {broken[0]}")
            held = [one.example for one in prepared.validation]
            before = _measured_before(work, model, held, prepared, progress, tell)
            let_learn(model, prepared)
            best_step, after = _learn(work, model, train, footage, held, prepared, progress, tell)
            if before is not None and after is not None:
                tell(f"After: {_said(after)}.")
                if after.right < before.right:
                    tell("Warning: that is less than before: try a lower --lr, or fewer steps.")
            seconds = time.monotonic() - began
            trained = Trained(
                request.destination, prepared.steps, best_step, before, after, problems, seconds
            )
            _write(work, model, footage, prepared, trained, len(train), progress)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"What is done is kept in {work}: the same command goes on from there.")
            raise
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
    held: list[Example],
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
        if best is None or score.right >= best["right"]:  # of equally good ones the one that learned longest
            _keep_best(work, learner, step, score)

    course = Course(
        batches.steps,
        settings.accumulate,
        settings.rate,
        round(settings.warmup * batches.steps),
        request.save_every or min(500, max(1, batches.steps // 20)),
        settings.seed,
    )
    trainer = LessonTrainer(work, learner, batches, rates(model.network), course, on_step, model.device)
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
    work: Path, model: LoadedModel, held: list[Example], prepared: Prepared, progress: Progress, tell: Tell
) -> Score | None:
    """What the model knew; measured, and told, once a run."""
    if not held:
        return None
    known = run_record.load(work / BEFORE)
    if known is not None:
        return Score(**known)
    score = validate(model, held, prepared.request.options, progress)
    run_record.save(work / BEFORE, asdict(score))
    tell(f"Before: {_said(score)}.")
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


def _said(score: Score) -> str:
    return f"{score.exact_match:.1%} of {score.questions} right, {score.video_tokens:.0f} video tokens each"
