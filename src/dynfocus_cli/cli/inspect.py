"""`dynfocus inspect VIDEO...`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.errors import Failure, failure_of, reported, say, trace
from dynfocus_cli.cli.output import Format, format_of, on_terminal, write_line, write_record
from dynfocus_cli.errors import SomeVideosFailed

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints import LoadedModel
    from dynfocus_cli.export import Exporter
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Inspection


def inspect(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO",
            show_default=False,
            help="Files or folders, or - for paths on standard input.",
        ),
    ],
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="Choose the frames for this question.")
    ] = None,
    model: opt.ModelOption = None,
    device: opt.DeviceOption = "auto",
    fps: opt.FpsOption = None,
    frames: opt.FramesOption = None,
    max_frames: opt.MaxFramesOption = None,
    start: opt.StartOption = None,
    end: opt.EndOption = None,
    at: opt.AtOption = None,
    prototypes: opt.PrototypesOption = None,
    key_ratio: opt.KeyRatioOption = None,
    budget: opt.BudgetOption = None,
    scorer: opt.ScorerOption = None,
    seed: opt.SeedOption = opt.DEFAULT_SEED,
    quantize: opt.QuantizeOption = None,
    subtitles: opt.SubtitlesOption = "off",
    hwaccel: opt.HwaccelOption = "none",
    no_cache: opt.NoCacheOption = False,
    dry_run: opt.DryRunOption = False,
    html: opt.HtmlOption = None,
    embed: opt.EmbedOption = False,
    contact_sheet: opt.ContactSheetOption = None,
    save_frames: opt.SaveFramesOption = None,
    csv: opt.CsvOption = None,
    edl: opt.EdlOption = None,
    chapters: opt.ChaptersOption = None,
    json: opt.JsonOption = False,
    jsonl: opt.JsonlOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Show which frames of a video would be judged meaningful, and what they cost, without an answer."""
    with reported():
        if question is not None:
            from dynfocus_cli.types import check_question

            check_question(question)
        opt.check_subtitles(subtitles)
        format = format_of(json, jsonl)
        from dynfocus_cli.cli.each import for_each, videos_from
        from dynfocus_cli.types import DecodingOptions, GenerationOptions, RunOptions

        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, start, end, at),
            opt.selection_options(prototypes, key_ratio, budget, scorer),
            GenerationOptions(seed=seed),
            DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
            subtitles,
        )
        paths = videos_from(videos, format)
        exporter = opt.exporter(paths, html, embed, contact_sheet, save_frames, csv, edl, chapters, dry_run)
        if dry_run:
            from dynfocus_cli.cli.forecast import show_forecasts

            return show_forecasts(paths, question, run_options, model, device, quantize, format, quiet)
        several = len(paths) > 1
        first = True
        failures: list[Failure] = []

        def load() -> LoadedModel:
            from dynfocus_cli.checkpoints import load_model

            return load_model(model, device, quantize)

        def work(video: str, loaded: LoadedModel, progress: Progress) -> Inspection:
            from dynfocus_cli import pipeline

            return pipeline.inspect(video, question, loaded, run_options, progress)

        def show(inspection: Inspection) -> None:
            nonlocal first
            _show(inspection, format, quiet, several, first)
            first = False
            if exporter is not None:
                failures.extend(_export(inspection, exporter, quiet))

        for_each(paths, load, work, show, format=format, quiet=quiet)
        if failures and several:
            raise SomeVideosFailed(f"{len(failures)} files could not be written.")
        if failures:
            raise typer.Exit(failures[0].code)


def _show(inspection: Inspection, format: Format, quiet: bool, several: bool, first: bool) -> None:
    from dynfocus_cli import report
    from dynfocus_cli.cli.evidence import show_evidence, show_warnings

    if format != "text":
        write_record(report.inspection_record(inspection))
    else:
        _write_table(inspection, several, first)
        if not quiet:
            show_evidence(inspection, several, table=False)
    show_warnings(inspection, several)


def _export(inspection: Inspection, exporter: Exporter, quiet: bool) -> list[Failure]:
    """Writes the files of one video, after its result is shown; returns what kept any from being written."""
    done = exporter.write(inspection)
    if not quiet:
        for path in done.written:
            say(f"Wrote {path}")
    for problem in done.problems:
        trace(problem)
        say(f"Error: {failure_of(problem).message}")
    return [failure_of(problem) for problem in done.problems]


def _write_table(inspection: Inspection, several: bool, first: bool) -> None:
    """The table of key frames on stdout: aligned for a reader, tab-separated for a pipe."""
    from dynfocus_cli.report.terminal import aligned_table, separated_table

    if on_terminal():
        if several:
            write_line(inspection.source.path if first else f"\n{inspection.source.path}")
        lines = aligned_table(inspection)
    else:
        lines = separated_table(inspection, with_video=several, with_header=first)
    for line in lines:
        write_line(line)
