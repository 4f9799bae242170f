"""What a training would do and take, in lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.checkpoints.size import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynfocus_cli.training.planned import Planned
    from dynfocus_cli.training.preparing import Prepared


def plan_lines(prepared: Prepared, step_s: float | None) -> list[tuple[str, str]]:
    """Label and value of each line. `step_s` is one step's seconds, None where nobody measured it."""
    settings, memory = prepared.settings, prepared.memory
    tuned = f", language model: {prepared.tune}" if settings.stage == "instruct" else ""
    lines = [
        ("model", f"{prepared.outline.name} ({prepared.outline.quantization}, {settings.precision})"),
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
    if memory.peak > prepared.free:
        lines.append(("", "That is more than there is."))
    return [*lines, ("time", _time(prepared.steps, step_s))]


def _counted(planned: Sequence[Planned]) -> str:
    videos = len({one.example.video for one in planned})
    return f"{len(planned)} on {videos} video{'' if videos == 1 else 's'}"


def _tokens(planned: Sequence[Planned]) -> str:
    counts = [one.video_tokens for one in planned]
    return f"{sum(counts) / len(counts):.0f} an example, {max(counts)} at most"


def _time(steps: int, step_s: float | None) -> str:
    if step_s is None:
        return "unknown: a step of a large model is not tried"
    total = steps * step_s
    said = (
        f"{total / 3600:.1f} h"
        if total > 5400
        else f"{total / 60:.1f} min"
        if total > 90
        else f"{total:.0f} s"
    )
    return f"about {said} ({step_s:.2f} s a step), and the encoding of the videos and validation beside it"
