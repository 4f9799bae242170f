"""`dynfocus inspect VIDEO...`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.exporting import NO_EXPORTS, STDOUT, ExportFlags, Exporting, with_export_flags
from dynfocus_cli.cli.output import format_of, on_terminal, write_line
from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.writers import ExportSource, Format

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Inspection


@with_export_flags
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
    questions: opt.QuestionsOption = None,
    recursive: opt.RecursiveOption = False,
    glob: opt.GlobOption = None,
    null: opt.NullOption = False,
    output: opt.OutputOption = None,
    retry_failed: opt.RetryFailedOption = False,
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
    cone_tokens: opt.ConeTokensOption = None,
    rods: opt.RodsOption = "two",
    stock: opt.StockOption = False,
    selector_model: opt.SelectorModelOption = None,
    seed: opt.SeedOption = opt.DEFAULT_SEED,
    quantize: opt.QuantizeOption = None,
    subtitles: opt.SubtitlesOption = "off",
    hwaccel: opt.HwaccelOption = "none",
    no_cache: opt.NoCacheOption = False,
    dry_run: opt.DryRunOption = False,
    exports: ExportFlags = NO_EXPORTS,
    json: opt.JsonOption = False,
    jsonl: opt.JsonlOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Show which frames of a video would be judged meaningful, and what they cost, without an answer."""
    with reported():
        asked = _asked(videos, question, questions)
        opt.check_subtitles(subtitles)
        format = format_of(json, jsonl)
        from dynfocus_cli.cli.each import for_each, gathered
        from dynfocus_cli.options import DecodingOptions, GenerationOptions, RunOptions

        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, start, end, at),
            opt.selection_options(prototypes, key_ratio, budget, scorer, cone_tokens, rods, stock),
            GenerationOptions(seed=seed),
            DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
            subtitles,
        )
        search = opt.search(recursive, glob)
        wanted = opt.ModelRequest(model, device, quantize, selector_model)
        to = opt.output(output, retry_failed, "inspect", wanted, run_options, format, dry_run)
        rows = exports.to_stdout()
        if rows is not None:
            if format != "text" or output is not None or dry_run:
                raise UsageError(
                    f"{rows.flag} - writes the rows to standard output, in place of --json, --jsonl, "
                    "--output and --dry-run."
                )
            del exports.outputs[rows.flag]
        export_options = exports.options(asked, dry_run=dry_run)

        from dynfocus_cli.features.memory_cache import MemoryFeatureCache

        memory_cache = MemoryFeatureCache()

        def prefetch(video: str, query: Query | None, loaded: Backend) -> Prefetch:
            from dynfocus_cli.pipeline.prefetch import start_prefetch

            return start_prefetch(video, None if query is None else query.text, loaded, run_options)

        def work(
            video: str, query: Query | None, loaded: Backend, progress: Progress, prefetch: Prefetch | None
        ) -> Inspection:
            from dynfocus_cli import pipeline

            text = None if query is None else query.text
            return pipeline.inspect(video, text, loaded, run_options, progress, prefetch, memory_cache)

        with gathered(videos, asked, search, to, null=null, format=format, quiet=quiet) as job:
            if dry_run:
                from dynfocus_cli.cli.forecast import show_forecasts

                return show_forecasts(job, run_options, wanted)
            if rows is not None and job.several:
                raise UsageError(
                    f"{rows.flag} - writes the rows of one video and there are several: name a folder."
                )
            exporting = Exporting(export_options, job)
            first = True

            def show(video: str, query: Query | None, inspection: Inspection) -> None:
                nonlocal first
                _show(video, query, inspection, job, first, rows)
                first = False

            for_each(exporting.job, wanted.load, work, exporting.beside(show), prefetch=prefetch)
            exporting.conclude()


def _asked(videos: list[str], question: str | None, questions: str | None) -> QuestionFile:
    """What frames are to be chosen for, nothing perhaps."""
    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions
    from dynfocus_cli.options import check_question

    if questions is None:
        if question is None:
            return QuestionFile((), ())
        check_question(question)
        return QuestionFile((Query(question),), ())
    if question is not None:
        raise UsageError("--question and --questions exclude each other: one question, or a file of them.")
    if questions == "-" and "-" in videos:
        raise UsageError("Paths and questions cannot both come from standard input: put one in a file.")
    return read_questions(questions)


def _show(
    video: str, query: Query | None, inspection: Inspection, job: Job, first: bool, rows: Format | None
) -> None:
    from dynfocus_cli.cli.evidence import show_evidence, show_warnings
    from dynfocus_cli.report.json import inspection_record

    where = job.where(video, query)
    if job.as_records:
        job.put(video, query, inspection_record(inspection))
    else:
        if rows is not None and rows.content is not None:
            for line in rows.content(ExportSource(inspection), Path(STDOUT)).decode().splitlines():
                write_line(line)
        else:
            _write_table(inspection, where, job.question(query), job.videos.several, first)
        if not job.quiet:
            show_evidence(inspection, where, job.tally, table=False)
    show_warnings(inspection, where, job.warnings, notices=True)


def _write_table(inspection: Inspection, where: str, question: str, with_video: bool, first: bool) -> None:
    """The table of key frames on stdout: aligned for a reader, tab-separated for a pipe."""
    from dynfocus_cli.report.terminal import aligned_table, separated_table

    if on_terminal():
        if where:
            write_line(where if first else f"\n{where}")
        lines = aligned_table(inspection)
    else:
        lines = separated_table(inspection, with_video=with_video, with_header=first)
        if question:
            column = ["question"] if first else []
            column += [question] * (len(lines) - len(column))
            lines = [f"{cell}\t{line}" for cell, line in zip(column, lines, strict=True)]
    for line in lines:
        write_line(line)
