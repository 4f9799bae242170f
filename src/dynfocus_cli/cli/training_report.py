"""What a training would do and take, and what came of it: lines, and records for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.training.examples import videos_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynfocus_cli.training.examples import Problem
    from dynfocus_cli.training.finetune import Trained
    from dynfocus_cli.training.planned import Planned
    from dynfocus_cli.training.preparing import Prepared
    from dynfocus_cli.training.validation import Score

PLAN = "dynfocus.training_plan/1"
TRAINING = "dynfocus.training/1"

Record = dict[str, Any]


def plan_record(prepared: Prepared, step_s: float | None) -> Record:
    """What a training would do and take. `step_s` is one step's seconds, None where nobody measured it."""
    settings, memory = prepared.settings, prepared.memory
    counts = [one.video_tokens for one in prepared.train]
    return {
        "schema": PLAN,
        **_training(prepared),
        "examples": {"train": _count(prepared.train), "validation": _count(prepared.validation)},
        "passed_over": _passed_over(prepared.problems),
        "video_tokens": {"mean": round(sum(counts) / len(counts), 1), "most": max(counts)},
        "steps": prepared.steps,
        "accumulate": settings.accumulate,
        "batch": settings.batch,
        "parameters": [asdict(size) for size in prepared.sizes],
        "memory_bytes": asdict(memory) | {"peak": memory.peak, "free": prepared.free},
        "fits": prepared.fits,
        "step_s": None if step_s is None else round(step_s, 3),
        "estimated_s": None if step_s is None else round(step_s * prepared.steps, 1),
    }


def training_record(prepared: Prepared, trained: Trained) -> Record:
    """What came of a training."""
    return {
        "schema": TRAINING,
        "folder": str(trained.folder),
        **_training(prepared),
        "steps": trained.steps,
        "best_step": trained.best_step,
        "before": _score(trained.before),
        "after": _score(trained.after),
        "passed_over": _passed_over(trained.problems),
        "warnings": list(trained.warnings),
        "elapsed_s": round(trained.seconds, 3),
    }


def _training(prepared: Prepared) -> Record:
    settings = prepared.settings
    return {
        "model": {"name": prepared.spec.name, "quantization": prepared.spec.quantization},
        "stage": settings.stage,
        "tune": prepared.tune if settings.stage == "instruct" else None,
        "precision": settings.precision,
        "seed": settings.seed,
    }


def _count(planned: Sequence[Planned]) -> Record:
    return {"examples": len(planned), "videos": _videos(planned)}


def _videos(planned: Sequence[Planned]) -> int:
    return videos_of(one.example for one in planned)


def _passed_over(problems: Iterable[Problem]) -> list[Record]:
    return [asdict(problem) for problem in problems]


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


def plan_lines(prepared: Prepared) -> list[tuple[str, str]]:
    """Label and value of each line but the last, `time_line`'s."""
    settings, memory = prepared.settings, prepared.memory
    tuned = f", language model: {prepared.tune}" if settings.stage == "instruct" else ""
    lines = [
        ("model", f"{prepared.spec.name} ({prepared.spec.quantization}, {settings.precision})"),
        ("stage", f"{settings.stage}{tuned}"),
        ("examples", f"{_counted(prepared.train)} to train on"),
        ("validation", f"{_counted(prepared.validation)} held back" if prepared.validation else "none"),
        ("passed over", str(len(prepared.problems))),
        ("video tokens", _tokens(prepared.train)),
        ("steps", f"{prepared.steps} of {settings.accumulate} x {settings.batch} examples"),
    ]
    lines += [
        (size.part, f"{size.learning:,} parameters learn, {size.frozen:,} do not") for size in prepared.sizes
    ]
    lines += [
        ("weights", readable(memory.weights)),
        ("gradients", readable(memory.gradients)),
        ("optimizer", readable(memory.optimizer)),
        ("activations", readable(memory.activations)),
        ("memory", f"{readable(memory.peak)} at most at a time, {readable(prepared.free)} free"),
    ]
    if not prepared.fits:
        lines.append(("", "That is more than there is."))
    return lines


def _counted(planned: Sequence[Planned]) -> str:
    videos = _videos(planned)
    return f"{len(planned)} on {videos} video{'' if videos == 1 else 's'}"


def _tokens(planned: Sequence[Planned]) -> str:
    counts = [one.video_tokens for one in planned]
    return f"{sum(counts) / len(counts):.0f} an example, {max(counts)} at most"


def time_line(prepared: Prepared, step_s: float | None) -> tuple[str, str]:
    """Label and value. `step_s` is one step's seconds, None where none was tried."""
    return "time", _time(prepared, step_s)


def _time(prepared: Prepared, step_s: float | None) -> str:
    if step_s is None:
        return f"unknown: no step is tried {'of a large model' if prepared.fits else 'where memory is short'}"
    total = prepared.steps * step_s
    said = (
        f"{total / 3600:.1f} h"
        if total > 5400
        else f"{total / 60:.1f} min"
        if total > 90
        else f"{total:.0f} s"
    )
    return f"about {said} ({step_s:.2f} s a step), and the encoding of the videos and validation beside it"
