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

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.checkpoints.staging import commit, staging
from dynfocus_cli.device import ran_out
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.files import flush, write_json
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.progress import Progress
from dynfocus_cli.training import run_record
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.examples import Problem
from dynfocus_cli.training.export import export
from dynfocus_cli.training.feature_store import FeatureStore
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

MOST_NAMED = 10
"""Damaged videos that are named; the others are counted."""

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
    warnings: tuple[str, ...]
    seconds: float

    @property
    def better(self) -> bool:
        """Whether it is known to answer better than before."""
        return self.before is not None and self.after is not None and self.after.rank > self.before.rank


def fine_tune(prepared: Prepared, progress: Progress, tell: Tell, warn: Tell) -> Trained:
    """Trains, or goes on where the same command was interrupted, and writes the model folder.

    Args:
        tell: is given a line on what was found out, now and then.
        warn: is given a sentence on what a user has to know, at once.

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
                prepared, model, FeatureStore(work / "features", model, request.options), work, progress, tell
            )
            train, broken = run.feature_store.gather(prepared.train, progress)
            if not train:
                raise UsageError(f"No video of {request.data} can be decoded: {broken[0]}")
            farthest = run.feature_store.farthest  # of what is learned from, not of what is held back
            held, broken_too = run.feature_store.gather(prepared.validation, progress)
            if prepared.validation and not held:
                raise UsageError(f"No video to validate on can be decoded: {broken_too[0]}")
            warnings = [*_on_videos(run.feature_store.doubtful), *_on_worlds(model, farthest)]
            for warning in warnings:
                warn(warning)
            let_learn(model, prepared)
            learner = Learner(model.network, model.prompt, model.device, prepared.autocast)
            before = run.measure_before(learner, held)
            best_step, after = run.learn(learner, train, held)
            if before is not None and after is not None:
                tell(f"After: {_said(after)}.")
                if after.right < before.right:
                    warnings.append(
                        f"{after.right} of {after.questions} are right now, and {before.right} were before: "
                        "try a lower --lr, or fewer steps."
                    )
                    warn(warnings[-1])
            trained = Trained(
                request.destination,
                prepared.steps,
                best_step,
                before,
                after,
                (*prepared.problems, *broken, *broken_too),
                tuple(warnings),
                time.monotonic() - began,
            )
            run.write(trained, train, held, farthest)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"What is done is kept in {work}: the same command goes on from there.")
            raise
        except (OSError, SafetensorError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise ModelUnavailable(
                f"{request.destination} could not be written: {why}. What is done is kept in {work}: "
                "make room, or mend what else it says, and give the same command again."
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
    feature_store: FeatureStore
    work: Path
    progress: Progress
    tell: Tell

    def measure_before(self, learner: Learner, held: list[Planned]) -> Score | None:
        """What the model knew; measured, and told, once a run. None where nothing is held back."""
        if not held:
            return None
        known = run_record.load(self.work / BEFORE)
        if known is not None:
            return Score(**known)
        score = self._score(learner, held)
        write_json(self.work / BEFORE, asdict(score))
        self.tell(f"Before: {_said(score)}.")
        return score

    def learn(self, learner: Learner, train: list[Planned], held: list[Planned]) -> tuple[int, Score | None]:
        """Leads the model through its steps, and leaves the best of its weights in it; returns their step and
        what they score."""
        prepared, settings, model = self.prepared, self.prepared.settings, self.model
        batches = Batches(train, self.feature_store, model.spec, prepared.request.options, settings)
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
        _mend(self.work / BEST)
        trainer.learn()
        best = _score_of(run_record.load(self.work / BEST / SCORE))
        if best is None:
            return batches.steps, None
        load_learned(learner, self.work / BEST / WEIGHTS)
        return best

    def write(self, trained: Trained, train: list[Planned], held: list[Planned], farthest: float) -> None:
        """The model folder, whole or not at all."""
        model, known, destination = self.model, self.model.familiarity, self.prepared.request.destination
        # Nothing was held back, or it got better: then these videos are of the model's world from now on.
        if known is not None and (trained.better or not held):
            threshold = max(known.threshold, FAMILIAR_MARGIN * farthest)
            # The classifier was fitted against other videos, which these may be.
            model = replace(
                model,
                familiarity=Familiarity(known.mean, known.whitening, threshold),
                domain=model.domain.widened(
                    [one.source for one in train],
                    max((one.sampling.times_s[-1] for one in train), default=0.0),
                    [one.example.question for one in train],
                ),
            )
        with staging(destination) as partial:
            export(model, partial, self.prepared.settings.stage, self.progress)
            shutil.copyfile(self.work / LOG, partial / "training_log.jsonl")
            write_card(partial, self.prepared, model, trained, train, held, list(log_lines(self.work)))
            commit(partial, destination)

    def _validate(self, learner: Learner, held: list[Planned], step: int, steps: int, loss: float) -> None:
        """Measures, and keeps the weights where none were better: of equally good ones those that learned
        longest."""
        score = self._score(learner, held)
        self.progress.stage("train", steps)
        self.progress.advance(step)
        best = _score_of(run_record.load(self.work / BEST / SCORE))
        add_to_log(self.work, step=step, validation=asdict(score))
        self.tell(f"Step {step} of {steps}: loss {loss:.3f}, {_said(score)}.")
        if best is None or score.rank >= best[1].rank:
            _keep(self.work / BEST, learner, asdict(score) | {"step": step})

    def _score(self, learner: Learner, held: list[Planned]) -> Score:
        """Of the weights as they are."""
        options, autocast = self.prepared.request.options, self.prepared.autocast
        score = validate(self.model, [one.example for one in held], options, self.progress, autocast)
        loss = answer_loss(learner, held, self.feature_store, self.model.spec, options)
        return replace(score, loss=loss if math.isfinite(loss) else None)


def _on_videos(doubtful: dict[str, str]) -> list[str]:
    """What is to be said of damaged videos: path -> how many frames are in doubt."""
    if not doubtful:
        return []
    said = ", ".join(f"{video} ({frames})" for video, frames in list(doubtful.items())[:MOST_NAMED])
    more = f" and {len(doubtful) - MOST_NAMED} more" if len(doubtful) > MOST_NAMED else ""
    return [f"Damaged, and learned from all the same, frames in doubt included: {said}{more}."]


def _on_worlds(model: LoadedModel, farthest: float) -> list[str]:
    """What is to be said where the videos are not such as the model has seen."""
    known = model.familiarity
    if known is None or farthest <= known.threshold:
        return []
    return [
        f"Of the videos not all look like those that {model.info.name} was trained on, and its vision "
        "encoder does not learn: what it cannot tell apart, the rest cannot learn. A larger --model may see "
        "more."
    ]


def _keep(folder: Path, learner: Learner, score: dict[str, Any]) -> None:
    """What learns, with its score; what the folder held stays until these are whole."""
    from safetensors.torch import save_file

    writing, old = folder.with_suffix(".writing"), folder.with_suffix(".old")
    for left in (writing, old):
        shutil.rmtree(left, ignore_errors=True)
    writing.mkdir()
    save_file({name: value.detach().cpu() for name, value in learning(learner)}, writing / WEIGHTS)
    flush(writing / WEIGHTS)
    write_json(writing / SCORE, score)
    if folder.exists():
        folder.rename(old)
    writing.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _mend(folder: Path) -> None:
    """Puts back what `_keep` had set aside when it was killed between its two renames."""
    old = folder.with_suffix(".old")
    if not folder.exists() and old.exists():
        old.rename(folder)


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
