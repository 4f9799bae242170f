"""`dynfocus train`: from a data file and a model folder to another model folder, in one function."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
from dynfocus_cli.training.examples import Problem
from dynfocus_cli.training.export import export
from dynfocus_cli.training.footage import Footage
from dynfocus_cli.training.learner import Learner
from dynfocus_cli.training.loading import let_learn, load_for_training, quietly
from dynfocus_cli.training.model_card import write_card
from dynfocus_cli.training.parts import learning
from dynfocus_cli.training.planned import Planned
from dynfocus_cli.training.preparing import Prepared, begins_with
from dynfocus_cli.training.run_checkpoints import WEIGHTS, load_learned
from dynfocus_cli.training.run_log import LOG, add_to_log, log_lines
from dynfocus_cli.training.trainer import Course, LessonTrainer, rates
from dynfocus_cli.training.validation import Score, answer_loss, validate

BEST, SCORE, BEFORE = "best", "score.json", "before.json"
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
            run = _Run(
                prepared, model, Footage(work / "features", model, request.options), work, progress, tell
            )
            train, broken = run.footage.gather(prepared.train, progress)
            if not train:
                raise UsageError(f"No video of {request.data} can be decoded: {broken[0]}")
            farthest = run.footage.farthest  # of what is learned from, not of what is held back
            held, broken_too = run.footage.gather(prepared.validation, progress)
            if prepared.validation and not held:
                raise UsageError(f"No video to validate on can be decoded: {broken_too[0]}")
            before = run.measure_before(held)
            let_learn(model, prepared)
            best_step, after = run.learn(train, held)
            if before is not None and after is not None:
                tell(f"After: {_said(after)}.")
                if after.right < before.right:
                    tell("Warning: that is less than before: try a lower --lr, or fewer steps.")
            trained = Trained(
                request.destination,
                prepared.steps,
                best_step,
                before,
                after,
                (*prepared.problems, *broken, *broken_too),
                time.monotonic() - began,
            )
            run.write(trained, train, held, farthest)
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


@dataclass(frozen=True, slots=True)
class _Run:
    """A training at work."""

    prepared: Prepared
    model: LoadedModel
    footage: Footage
    work: Path
    progress: Progress
    tell: Tell

    def measure_before(self, held: list[Planned]) -> Score | None:
        """What the model knew; measured, and told, once a run. None where nothing is held back."""
        if not held:
            return None
        known = run_record.load(self.work / BEFORE)
        if known is not None:
            return Score(**known)
        examples = [one.example for one in held]
        score = validate(self.model, examples, self.prepared.request.options, self.progress)
        run_record.save(self.work / BEFORE, asdict(score))
        self.tell(f"Before: {_said(score)}.")
        return score

    def learn(self, train: list[Planned], held: list[Planned]) -> tuple[int, Score | None]:
        """Leads the model through its steps, and leaves the best of its weights in it; returns their step and
        what they score."""
        prepared, settings, model = self.prepared, self.prepared.settings, self.model
        batches = Batches(train, self.footage, model.outline, prepared.request.options, settings)
        learner = Learner(model.network, model.prompt, model.device, prepared.autocast)
        every = prepared.request.validate_every or max(
            1, len(train) // (settings.batch * settings.accumulate)
        )

        def on_step(step: int, loss: float) -> None:
            self.progress.advance(1)
            if held and (step % every == 0 or step == batches.steps):
                self._validate(learner, held, step, batches.steps, loss)

        assert settings.rate is not None, "it was settled"
        course = Course(
            batches.steps,
            settings.accumulate,
            settings.rate,
            round(settings.warmup * batches.steps),
            prepared.request.save_every or min(500, max(1, batches.steps // 20)),
            settings.seed,
        )
        trainer = LessonTrainer(
            self.work, learner, batches, rates(model.network), course, on_step, model.device
        )
        self.progress.stage("train", batches.steps)
        self.progress.advance(trainer.done)
        if trainer.done and trainer.done < batches.steps:
            self.tell(f"Going on after step {trainer.done} of {batches.steps}.")
        trainer.learn()
        best = _score_of(run_record.load(self.work / BEST / SCORE))
        if best is None:
            return batches.steps, None
        load_learned(learner, self.work / BEST / WEIGHTS)
        return best

    def write(self, trained: Trained, train: list[Planned], held: list[Planned], farthest: float) -> None:
        """The model folder, whole or not at all."""
        model, known, destination = self.model, self.model.familiarity, self.prepared.request.destination
        if known is not None:
            threshold = max(known.threshold, FAMILIAR_MARGIN * farthest)
            model = replace(model, familiarity=Familiarity(known.mean, known.whitening, threshold))
        with workplace(destination) as partial:
            export(model, partial, self.prepared.settings.stage, self.progress)
            shutil.copyfile(self.work / LOG, partial / "training_log.jsonl")
            write_card(partial, self.prepared, trained, train, held, list(log_lines(self.work)))
            finish(partial, destination)

    def _validate(self, learner: Learner, held: list[Planned], step: int, steps: int, loss: float) -> None:
        """Measures, and keeps the weights where none were better: of equally good ones those that learned
        longest."""
        options, autocast = self.prepared.request.options, self.prepared.autocast
        score = validate(self.model, [one.example for one in held], options, self.progress, autocast)
        loss_of_held = answer_loss(learner, held, self.footage, self.model.outline, options)
        score = replace(score, loss=loss_of_held if math.isfinite(loss_of_held) else None)
        self.progress.stage("train", steps)
        self.progress.advance(step)
        best = _score_of(run_record.load(self.work / BEST / SCORE))
        add_to_log(self.work, step=step, validation=asdict(score))
        self.tell(f"Step {step} of {steps}: loss {loss:.3f}, {_said(score)}.")
        if best is None or score.rank >= best[1].rank:
            _keep(self.work / BEST, learner, asdict(score) | {"step": step})


def _keep(folder: Path, learner: Learner, score: dict[str, Any]) -> None:
    """What learns, with its score; what the folder held stays until these are whole."""
    from safetensors.torch import save_file

    writing, old = folder.with_suffix(".writing"), folder.with_suffix(".old")
    for left in (writing, old):
        shutil.rmtree(left, ignore_errors=True)
    writing.mkdir()
    save_file({name: value.detach().cpu() for name, value in learning(learner)}, writing / WEIGHTS)
    run_record.save(writing / SCORE, score)
    if folder.exists():
        folder.rename(old)
    writing.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _score_of(kept: dict[str, Any] | None) -> tuple[int, Score] | None:
    """The step and the score of what `_keep` kept."""
    if kept is None:
        return None
    step = kept.pop("step")
    return step, Score(**kept)


def _said(score: Score) -> str:
    loss = "" if score.loss is None else f" at loss {score.loss:.3f}"
    tokens = f"{score.video_tokens:.0f} video tokens each"
    return f"{score.exact_match:.1%} of {score.questions} right{loss}, {tokens}"
