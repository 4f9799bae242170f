"""`dynfocus inspect VIDEO...`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.exporting import NO_EXPORTS, STDOUT, ExportFlags, Exporting, with_export_flags
from dynfocus_cli.cli.output import on_terminal, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import RunOptions, check_question
from dynfocus_cli.report.writers import ExportSource, Format

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Inspection


@command()
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
    *,
    batch: opt.BatchOptions,
    model: opt.ModelRequest,
    run: RunOptions,
    output: opt.OutputOptions,
    exports: ExportFlags = NO_EXPORTS,
) -> None:
    """Show which frames of a video would be judged meaningful, and what they cost, without an answer."""
    questions = _questions(videos, question, batch.questions)
    opt.check_subtitles(run.subtitles)
    from dynfocus_cli.cli.each import for_each, gathered

    results = batch.results("inspect", model, run, output)
    rows = exports.to_stdout()
    if rows is not None:
        if output.format != "text" or batch.output is not None or output.dry_run:
            raise UsageError(
                f"{rows.flag} - writes the rows to standard output, in place of --json, --jsonl, --output "
                "and --dry-run."
            )
        del exports.outputs[rows.flag]
    export_options = exports.options(questions, dry_run=output.dry_run)

    from dynfocus_cli.features.memory_cache import MemoryFeatureCache

    memory_cache = MemoryFeatureCache()

    def prefetch(video: str, query: Query | None, loaded: Backend) -> Prefetch:
        from dynfocus_cli.pipeline.prefetch import start_prefetch

        return start_prefetch(video, None if query is None else query.text, loaded, run)

    def work(
        video: str, query: Query | None, loaded: Backend, progress: Progress, prefetch: Prefetch | None
    ) -> Inspection:
        from dynfocus_cli import pipeline

        text = None if query is None else query.text
        return pipeline.inspect(video, text, loaded, run, progress, prefetch, memory_cache)

    with gathered(videos, questions, batch, results, output) as job:
        if output.dry_run:
            from dynfocus_cli.cli.forecast import show_forecasts

            return show_forecasts(job, run, model)
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

        for_each(exporting.job, model.load, work, exporting.beside(show), prefetch=prefetch)
        exporting.conclude()


def _questions(videos: list[str], question: str | None, questions: str | None) -> QuestionFile:
    """The questions that frames are chosen for, if any."""
    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions

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
