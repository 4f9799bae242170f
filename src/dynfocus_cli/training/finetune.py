"""`dynfocus train`: from a data file and a model folder to another model folder, in one function."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from safetensors import SafetensorError

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.checkpoints.staging import clear, commit, staging
from dynfocus_cli.device import ran_out
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError
from dynfocus_cli.files import reason, write_json
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.progress import Progress
from dynfocus_cli.training.answer_loss import AnswerLoss
from dynfocus_cli.training.batches import Batches
from dynfocus_cli.training.best_weights import BEST, best_score, keep_best
from dynfocus_cli.training.export import export
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.loading import load_for_training, make_trainable, training_environment
from dynfocus_cli.training.model_card import write_card
from dynfocus_cli.training.plan import TrainingPlan
from dynfocus_cli.training.planned_example import PlannedExample
from dynfocus_cli.training.result import TrainingResult
from dynfocus_cli.training.run_checkpoints import load_trained
from dynfocus_cli.training.run_log import LOG, add_to_log, log_lines
from dynfocus_cli.training.run_record import load, open_run
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import Schedule, parameter_groups, steps_done, train_model
from dynfocus_cli.training.validation import Score, validate, validation_loss

BEFORE = "before.json"
NAMED_VIDEOS = 10
"""Damaged videos that are named; the others are counted."""
USUAL_SHARE = 0.1
"""Up to so many of the videos may look unlike those that the model was trained on: of its own some 3 % do, by
the classifier's limit."""
ADVICE = "try `batch=1` with `accumulate`, `checkpointing`, `tune=qlora`, or fewer frames."

Tell = Callable[[str], None]


def fine_tune(plan: TrainingPlan, progress: Progress, tell: Tell, warn: Tell) -> TrainingResult:
    """Trains, or goes on where the same command was interrupted, and writes the model folder.

    Args:
        tell: called with a line about the run, now and then.
        warn: called with a sentence that a user has to know, at once.

    Raises:
        UsageError: the model folder is there, or its run was begun with other settings.
        ModelUnavailable: the disk is at fault.
        OutOfMemory: the run would take, or took, more than there is.
    """
    destination = plan.request.destination
    if not plan.fits:
        raise OutOfMemory(
            f"This training takes about {readable(plan.memory.peak)}, and {readable(plan.free)} are free: "
            f"{ADVICE}"
        )
    with training_environment(plan), open_run(destination, plan.fingerprint()) as work:
        try:
            result = _train(plan, work, progress, tell, warn)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"What is done is kept in {work}: the same command goes on from there.")
            raise
        except (OSError, SafetensorError) as error:
            raise ModelUnavailable(
                f"{destination} could not be written: {reason(error)}. What is done is kept in {work}: "
                "make room, or mend what else it says, and give the same command again."
            ) from error
        except Exception as error:
            if not ran_out(error):
                raise
            raise OutOfMemory(f"Memory ran out: {ADVICE}") from error
        shutil.rmtree(work, ignore_errors=True)
    return result


def _train(plan: TrainingPlan, work: Path, progress: Progress, tell: Tell, warn: Tell) -> TrainingResult:
    start = time.monotonic()
    model = load_for_training(plan)
    feature_store = FeatureStore(work / "features", model, plan.request.options)
    train, broken = feature_store.encode(plan.train, progress)
    if not train:
        raise UsageError(f"No video of {plan.request.data} can be decoded: {broken[0]}")
    # Of training videos, not of those to validate on.
    extremes = feature_store.greatest_distance, feature_store.least_log_odds
    unfamiliar_share = feature_store.unfamiliar_share
    held_out, broken_too = feature_store.encode(plan.validation, progress)
    if plan.validation and not held_out:
        raise UsageError(f"No video to validate on can be decoded: {broken_too[0]}")
    warnings = [*_damage_warnings(feature_store.damaged), *familiarity_warnings(model, unfamiliar_share)]
    for warning in warnings:
        warn(warning)
    make_trainable(model, plan)
    loss = AnswerLoss(model.network, model.prompt, model.device, plan.autocast)
    run = TrainingRun(plan, model, loss, feature_store, train, held_out, work, progress, tell)
    before = run.score_before()
    best_step, after = run.train_network()
    if before is not None and after is not None:
        tell(f"After: {_shown(after)}.")
        if after.right < before.right:
            warnings.append(
                f"{after.right} of {after.questions} are right now, and {before.right} were before: "
                "try a lower `rate`, or fewer steps."
            )
            warn(warnings[-1])
    result = TrainingResult(
        plan.request.destination,
        plan.steps,
        best_step,
        before,
        after,
        (*plan.problems, *broken, *broken_too),
        tuple(warnings),
        time.monotonic() - start,
    )
    run.write(result, *extremes)
    return result


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training at work, with its model in memory and its folder open."""

    plan: TrainingPlan
    model: LoadedModel
    loss: AnswerLoss
    feature_store: FeatureStore
    train: list[PlannedExample]
    validation: list[PlannedExample]
    work: Path
    progress: Progress
    tell: Tell

    def score_before(self) -> Score | None:
        """The score before training, measured and told once a run; None without validation examples."""
        if not self.validation:
            return None
        stored = load(self.work / BEFORE)
        if stored is not None:
            return Score(**stored)
        score = self._score()
        write_json(self.work / BEFORE, asdict(score))
        self.tell(f"Before: {_shown(score)}.")
        return score

    def train_network(self) -> tuple[int, Score | None]:
        """Trains the model and leaves the best of its weights in it; returns their step and score."""
        request, settings = self.plan.request, self.plan.settings
        batches = Batches(self.train, self.feature_store, self.model.spec, request.options, settings)
        steps = batches.steps
        epoch = max(1, len(self.train) // (settings.batch * settings.accumulate))
        validate_every = request.validate_every or epoch

        def on_step(step: int, loss: float) -> None:
            self.progress.advance(1)
            if self.validation and (step % validate_every == 0 or step == steps):
                self._validate(step, steps, loss)

        assert settings.rate is not None
        schedule = Schedule(
            steps,
            settings.rate,
            partial(warm_cosine, steps=steps, warmup=round(settings.warmup * steps)),
            request.save_every or max(1, min(500, steps // 20)),
            settings.seed,
            settings.accumulate,
        )
        self.progress.stage("train", steps)
        done = steps_done(self.work)
        self.progress.advance(done)
        if 0 < done < steps:
            self.tell(f"Going on after step {done} of {steps}.")
        train_model(self.work, self.loss, batches, parameter_groups(self.model.network), schedule, on_step)
        best = best_score(self.work)
        if best is None:
            return steps, None
        load_trained(self.loss, self.work / BEST)
        return best

    def write(self, result: TrainingResult, distance: float, log_odds: float) -> None:
        """Writes the model folder, whole or not at all; `distance` and `log_odds` are the greatest and the
        least of the training videos."""
        model, familiarity = self.model, self.model.familiarity
        # The training videos belong to the model's domain now, unless validation got no better.
        if familiarity is not None and (result.better or not self.validation):
            model = replace(
                model,
                familiarity=familiarity.widened(distance, log_odds),
                domain=model.domain.widened(
                    [one.source for one in self.train],
                    max((one.sampling.times_s[-1] for one in self.train), default=0.0),
                    [one.example.question for one in self.train],
                ),
            )
        with staging(result.folder) as partial_folder:
            clear(partial_folder)
            export(model, partial_folder, self.plan.settings.stage, self.progress)
            shutil.copyfile(self.work / LOG, partial_folder / "training_log.jsonl")
            losses = [line["loss"] for line in log_lines(self.work) if "loss" in line]
            scorer = model.network.config.scorer
            write_card(partial_folder, self.plan, result, self.train, self.validation, losses, scorer)
            commit(partial_folder, result.folder)

    def _validate(self, step: int, steps: int, loss: float) -> None:
        """Scores the weights, and keeps them unless earlier ones scored better."""
        score = self._score()
        self.progress.stage("train", steps)
        self.progress.advance(step)
        add_to_log(self.work, step=step, validation=asdict(score))
        self.tell(f"Step {step} of {steps}: loss {loss:.3f}, {_shown(score)}.")
        best = best_score(self.work)
        if best is None or score.rank >= best[1].rank:
            keep_best(self.work, self.loss, step, score)

    def _score(self) -> Score:
        """Of the weights as they are."""
        options, examples = self.plan.request.options, self.validation
        score = validate(
            self.model, [one.example for one in examples], options, self.progress, self.plan.autocast
        )
        loss = validation_loss(self.loss, examples, self.feature_store, self.model.spec, options)
        return replace(score, loss=loss if math.isfinite(loss) else None)


def _damage_warnings(damaged: dict[str, str]) -> list[str]:
    """On damaged videos: path -> how many frames are in doubt."""
    if not damaged:
        return []
    videos = ", ".join(f"{video} ({frames})" for video, frames in list(damaged.items())[:NAMED_VIDEOS])
    more = f" and {len(damaged) - NAMED_VIDEOS} more" if len(damaged) > NAMED_VIDEOS else ""
    return [f"Damaged, and learned from all the same, frames in doubt included: {videos}{more}."]


def familiarity_warnings(model: LoadedModel, unfamiliar_share: float) -> list[str]:
    """On videos that look unlike those that the model has seen."""
    if unfamiliar_share <= USUAL_SHARE:
        return []
    return [
        f"Of the videos not all look like those that {model.info.name} was trained on, and its vision "
        "encoder does not learn: what it cannot tell apart, the rest cannot learn. A larger `model` may see "
        "more."
    ]


def _shown(score: Score) -> str:
    loss = "" if score.loss is None else f" at loss {score.loss:.3f}"
    right = f"{score.exact_match:.1%} of {score.questions} right"
    return f"{right}{loss}, {score.video_tokens:.0f} video tokens each"
