"""What a training would do and take, and what came of it: lines, and records for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.training.examples import count_videos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynfocus_cli.training.example_items import Problem
    from dynfocus_cli.training.plan import TrainingPlan
    from dynfocus_cli.training.planned_example import PlannedExample
    from dynfocus_cli.training.result import TrainingResult
    from dynfocus_cli.training.validation import Score

PLAN = "dynfocus.training_plan/1"
TRAINING = "dynfocus.training/1"

Record = dict[str, Any]


def plan_record(plan: TrainingPlan, step_s: float | None) -> Record:
    """What a training would do and take. `step_s` is one step's seconds, None where nobody measured it."""
    settings, memory = plan.settings, plan.memory
    counts = [one.video_tokens for one in plan.train]
    return {
        "schema": PLAN,
        **_training(plan),
        "examples": {"train": _count(plan.train), "validation": _count(plan.validation)},
        "passed_over": _passed_over(plan.problems),
        "video_tokens": {"mean": round(sum(counts) / len(counts), 1), "most": max(counts)},
        "steps": plan.steps,
        "accumulate": settings.accumulate,
        "batch": settings.batch,
        "parameters": [asdict(size) for size in plan.sizes],
        "memory_bytes": asdict(memory) | {"peak": memory.peak, "free": plan.free},
        "fits": plan.fits,
        "step_s": None if step_s is None else round(step_s, 3),
        "estimated_s": None if step_s is None else round(step_s * plan.steps, 1),
    }


def training_record(plan: TrainingPlan, result: TrainingResult) -> Record:
    """What came of a training."""
    return {
        "schema": TRAINING,
        "folder": str(result.folder),
        **_training(plan),
        "steps": result.steps,
        "best_step": result.best_step,
        "before": _score(result.before),
        "after": _score(result.after),
        "passed_over": _passed_over(result.problems),
        "warnings": [with_flags(warning) for warning in result.warnings],
        "elapsed_s": round(result.seconds, 3),
    }


def _training(plan: TrainingPlan) -> Record:
    settings = plan.settings
    return {
        "model": {"name": plan.spec.name, "quantization": plan.spec.quantization},
        "stage": settings.stage,
        "tune": plan.tune if settings.stage == "instruct" else None,
        "precision": settings.precision,
        "seed": settings.seed,
    }


def _count(planned: Sequence[PlannedExample]) -> Record:
    return {"examples": len(planned), "videos": _videos(planned)}


def _videos(planned: Sequence[PlannedExample]) -> int:
    return count_videos(one.example for one in planned)


def _passed_over(problems: Iterable[Problem]) -> list[Record]:
    return [{"where": problem.where, "reason": with_flags(problem.reason)} for problem in problems]


def _score(score: Score | None) -> Record | None:
    if score is None:
        return None
    return {
        "questions": score.questions,
        "right": score.right,
        "exact_match": round(score.exact_match, 4),
        "video_tokens": round(score.video_tokens, 1),
        "loss": None if score.loss is None else round(score.loss, 6),
    }


def plan_lines(plan: TrainingPlan) -> list[tuple[str, str]]:
    """Label and value of each line but the last, `time_line`'s."""
    settings, memory = plan.settings, plan.memory
    tuned = f", language model: {plan.tune}" if settings.stage == "instruct" else ""
    lines = [
        ("model", f"{plan.spec.name} ({plan.spec.quantization}, {settings.precision})"),
        ("stage", f"{settings.stage}{tuned}"),
        ("examples", f"{_counted(plan.train)} to train on"),
        ("validation", f"{_counted(plan.validation)} held back" if plan.validation else "none"),
        ("passed over", str(len(plan.problems))),
        ("video tokens", _tokens(plan.train)),
        ("steps", f"{plan.steps} of {settings.accumulate} x {settings.batch} examples"),
    ]
    lines += [
        (size.part, f"{size.learning:,} parameters learn, {size.frozen:,} do not") for size in plan.sizes
    ]
    lines += [
        ("weights", readable(memory.weights)),
        ("gradients", readable(memory.gradients)),
        ("optimizer", readable(memory.optimizer)),
        ("activations", readable(memory.activations)),
        ("memory", f"{readable(memory.peak)} at most at a time, {readable(plan.free)} free"),
    ]
    if not plan.fits:
        lines.append(("", "That is more than there is."))
    return lines


def _counted(planned: Sequence[PlannedExample]) -> str:
    videos = _videos(planned)
    return f"{len(planned)} on {videos} video{'' if videos == 1 else 's'}"


def _tokens(planned: Sequence[PlannedExample]) -> str:
    counts = [one.video_tokens for one in planned]
    return f"{sum(counts) / len(counts):.0f} an example, {max(counts)} at most"


def time_line(plan: TrainingPlan, step_s: float | None) -> tuple[str, str]:
    """Label and value. `step_s` is one step's seconds, None where none was tried."""
    return "time", _time(plan, step_s)


def _time(plan: TrainingPlan, step_s: float | None) -> str:
    if step_s is None:
        return f"unknown: no step is tried {'of a large model' if plan.fits else 'where memory is short'}"
    total = plan.steps * step_s
    said = (
        f"{total / 3600:.1f} h"
        if total > 5400
        else f"{total / 60:.1f} min"
        if total > 90
        else f"{total:.0f} s"
    )
    return f"about {said} ({step_s:.2f} s a step), and the encoding of the videos and validation beside it"
