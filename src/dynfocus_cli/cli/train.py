"""`dynfocus train DATA OUT`"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli import progress
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import write_line, write_record
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.training.settings import TrainedScorer, TrainingRequest

if TYPE_CHECKING:
    from dynfocus_cli.training.example_items import Problem
    from dynfocus_cli.training.plan import TrainingPlan

PAGE_ORDER = (
    "model", "stage", "media", "recursive", "validation", "epochs", "scorer", "sigma", "device", "quantize",
    "fps", "save_every", "seed", "dry_run",
)  # fmt: skip
"""Of its options, as in `parameters`."""

MOST_NAMED = 10
"""Broken examples that are told one by one; the others are counted."""


@command(*PAGE_ORDER)
def train(
    request: TrainingRequest,
    place: opt.ModelRequest,
    batch: opt.BatchOptions,
    output: opt.OutputOptions,
    scorer: Annotated[
        TrainedScorer | None,
        typer.Option("--scorer", help="Learn to rank events by the picture, or by the question too."),
    ] = None,
) -> None:
    """Train a DynFocus model on videos of your own, and write a model folder for --model.

    Goes on where it was interrupted when the same command is given again.
    """
    from dynfocus_cli.training.finetune import fine_tune
    from dynfocus_cli.training.plan import plan_training

    options = replace(request.options, selection=replace(request.options.selection, scorer=scorer))
    request = replace(request, device=place.device, recursive=batch.recursive, options=options)
    title = request.destination.name
    with progress.shown(title, progress.is_visible(output.quiet)) as bar:
        bar.stage("plan", None)
        plan = plan_training(request)
    _tell_problems(plan.problems)
    if output.dry_run:
        return _show_plan(plan, output.json, output.quiet)
    with progress.shown(title, progress.is_visible(output.quiet)) as bar:
        result = fine_tune(
            plan,
            bar,
            tell=(lambda line: None) if output.quiet else say,
            warn=lambda line: say(f"Warning: {line}"),
        )
    _tell_problems(result.problems[len(plan.problems) :])
    if output.json:
        from dynfocus_cli.cli.training_report import training_record

        return write_record(training_record(plan, result))
    write_line(str(result.folder))


def _tell_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems[:MOST_NAMED]:
        say(f"Warning: passed over {problem}")
    if len(problems) > MOST_NAMED:
        say(f"Warning: passed over {len(problems) - MOST_NAMED} more: --json lists them all.")


def _show_plan(plan: TrainingPlan, json: bool, quiet: bool) -> None:
    import tempfile

    from dynfocus_cli.cli.training_report import plan_lines, plan_record, time_line
    from dynfocus_cli.training.loading import time_a_step

    if not json:  # at once: trying a step takes its time
        for line in plan_lines(plan):
            _write_labelled(*line)
    with (
        tempfile.TemporaryDirectory() as folder,
        progress.shown(plan.request.destination.name, progress.is_visible(quiet)) as bar,
    ):
        seconds = time_a_step(plan, Path(folder), bar)
    if json:
        return write_record(plan_record(plan, seconds))
    _write_labelled(*time_line(plan, seconds))


def _write_labelled(label: str, value: str) -> None:
    write_line(f"{label:<16} {value}")
