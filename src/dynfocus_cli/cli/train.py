"""`dynfocus train DATA OUT`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli import progress
from dynfocus_cli.cli.errors import reported, say
from dynfocus_cli.cli.output import write_line, write_record
from dynfocus_cli.training.settings import Precision, Stage, TrainedScorer, Tune

if TYPE_CHECKING:
    from dynfocus_cli.training.examples import Problem
    from dynfocus_cli.training.preparing import Prepared

MOST_NAMED = 10
"""Broken examples that are told one by one; the others are counted."""


def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            readable=False,  # not checked by the parser, whose message would be another
            help="LLaVA's JSON, JSON lines with video, question and answer, or a folder of videos.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Model folder to write; it must not exist.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|PATH",
            help="DynFocus model to begin with; the shipped dynfocus-tiny by default.",
        ),
    ] = None,
    stage: Annotated[
        Stage,
        typer.Option(
            "--stage",
            help="align: the connector learns from captions. instruct: score network, connector and language "
            "model learn from questions and answers.",
        ),
    ] = "instruct",
    tune: Annotated[
        Tune | None,
        typer.Option(
            "--tune",
            help="Of the language model learn adapters (lora), adapters over 4 bits (qlora), or all. "
            "Default: what suits its size.",
        ),
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option("--media", metavar="FOLDER", help="Where the data's paths of videos begin."),
    ] = None,
    recursive: opt.RecursiveOption = False,
    validation: Annotated[
        str,
        typer.Option(
            "--validation",
            metavar="SHARE|FILE",
            help="Share of the videos to hold back and measure on, or a data file; 0 for none.",
        ),
    ] = "0.1",
    epochs: Annotated[float, typer.Option("--epochs", metavar="N", help="Times through the data.")] = 3.0,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", metavar="N", help="Steps, in place of --epochs.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", help="Examples that go through together.")
    ] = 4,
    accumulate: Annotated[
        int, typer.Option("--accumulate", metavar="N", help="Batches a step; takes no more memory.")
    ] = 1,
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="F", help="Highest learning rate. Default: what suits stage and tune."),
    ] = None,
    warmup: Annotated[
        float, typer.Option("--warmup", metavar="SHARE", help="Share of the steps until it is reached.")
    ] = 0.03,
    scorer: Annotated[
        TrainedScorer | None,
        typer.Option("--scorer", help="Learn to rank events by the picture, or by the question too."),
    ] = None,
    sigma: Annotated[
        float,
        typer.Option("--sigma", metavar="F", help="Noise on the choice of key frames at first; falls to 0."),
    ] = 0.1,
    samples: Annotated[int, typer.Option("--samples", metavar="N", help="Draws of that noise a step.")] = 500,
    lora_rank: Annotated[int, typer.Option("--lora-rank", metavar="N", help="Rank of adapters.")] = 16,
    precision: Annotated[
        Precision, typer.Option("--precision", help="What is computed in; auto: what suits model and device.")
    ] = "auto",
    checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--checkpointing/--no-checkpointing",
            help="Compute activations twice rather than keep them. Default: for a large model.",
            show_default=False,
        ),
    ] = None,
    device: opt.DeviceOption = "auto",
    quantize: Annotated[
        Literal["none", "nf4"] | None,
        typer.Option("--quantize", help="Bits of what does not learn of the language model."),
    ] = None,
    fps: opt.FpsOption = None,
    frames: opt.FramesOption = None,
    max_frames: opt.MaxFramesOption = None,
    prototypes: opt.PrototypesOption = None,
    key_ratio: opt.KeyRatioOption = None,
    hwaccel: opt.HwaccelOption = "none",
    no_cache: opt.NoCacheOption = False,
    save_every: Annotated[
        int | None,
        typer.Option("--save-every", metavar="N", min=1, help="Steps between checkpoints."),
    ] = None,
    validate_every: Annotated[
        int | None,
        typer.Option("--validate-every", metavar="N", min=1, help="Steps between validations."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=opt.MAX_SEED, help="Decides on split, order and noise.")
    ] = opt.DEFAULT_SEED,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be trained, and what it takes; write nothing."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the plan, or what came.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors stay.")
    ] = False,
) -> None:
    """Train a DynFocus model on videos of your own, and write a model folder for --model.

    Goes on where it was interrupted when the same command is given again.
    """
    with reported():
        from dynfocus_cli.options import DecodingOptions, RunOptions
        from dynfocus_cli.training.settings import TrainingSettings

        settings = TrainingSettings(
            stage=stage,
            tune=tune,
            batch=batch_size,
            accumulate=accumulate,
            rate=lr,
            epochs=epochs,
            max_steps=max_steps,
            warmup=warmup,
            sigma=sigma,
            samples=samples,
            lora_rank=lora_rank,
            precision=precision,
            checkpointing=checkpointing,
            seed=seed,
        )
        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, None, None, None),
            opt.selection_options(prototypes, key_ratio, None, scorer, None, "two", False),
            decoding=DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
        )
        from dynfocus_cli.training.finetune import fine_tune
        from dynfocus_cli.training.preparing import TrainingRequest, prepare

        request = TrainingRequest(
            data,
            out,
            model=model,
            device=device,
            quantize=quantize,
            media=media,
            recursive=recursive,
            validation=validation,
            options=run_options,
            settings=settings,
            save_every=save_every,
            validate_every=validate_every,
        )
        with progress.shown(out.name, progress.wanted(quiet)) as bar:
            bar.stage("plan", None)
            prepared = prepare(request)
        _tell_problems(prepared.problems)
        if dry_run:
            return _show_plan(prepared, json, quiet)
        with progress.shown(out.name, progress.wanted(quiet)) as bar:
            trained = fine_tune(
                prepared,
                bar,
                tell=(lambda line: None) if quiet else say,
                warn=lambda line: say(f"Warning: {line}"),
            )
        _tell_problems(trained.problems[len(prepared.problems) :])
        if json:
            from dynfocus_cli.cli.training_report import training_record

            return write_record(training_record(prepared, trained))
        write_line(str(trained.folder))


def _tell_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems[:MOST_NAMED]:
        say(f"Warning: passed over {problem}")
    if len(problems) > MOST_NAMED:
        say(f"Warning: passed over {len(problems) - MOST_NAMED} more: --json lists them all.")


def _show_plan(prepared: Prepared, json: bool, quiet: bool) -> None:
    import tempfile

    from dynfocus_cli.cli.training_report import plan_lines, plan_record, time_line
    from dynfocus_cli.training.loading import time_a_step

    if not json:  # at once: trying a step takes its time
        for line in plan_lines(prepared):
            _write_labelled(*line)
    with (
        tempfile.TemporaryDirectory() as folder,
        progress.shown(prepared.request.destination.name, progress.wanted(quiet)) as bar,
    ):
        seconds = time_a_step(prepared, Path(folder), bar)
    if json:
        return write_record(plan_record(prepared, seconds))
    _write_labelled(*time_line(prepared, seconds))


def _write_labelled(label: str, value: str) -> None:
    write_line(f"{label:<16} {value}")
