"""`dynfocus inspect VIDEO...`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.completion import model_names
from dynfocus_cli.cli.exporting import STDOUT, ExportFlags
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.output import on_terminal, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import RunOptions, check_question
from dynfocus_cli.report.writers import ExportSource

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.job import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.shot_spans import ShotSpan
    from dynfocus_cli.types import Inspection


@command(completions={"model": model_names})
def inspect(
    videos: opt.VideosArgument,
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="Choose the frames for this question.")
    ] = None,
    *,
    batch: opt.BatchOptions,
    model: opt.ModelRequest,
    run: RunOptions,
    output: opt.OutputOptions,
    engine: opt.EngineOptions,
    exports: ExportFlags,
    shots: opt.ShotOptions,
) -> None:
    """Show which frames of a video would be judged meaningful, and what they cost, without an answer."""
    questions = _questions(videos, question, batch.questions)
    of_each = Counter(query.video for query in questions.queries)  # None: of every video
    of_one = of_each.pop(None, 0) + max(of_each.values(), default=0)
    shots.check(dry_run=output.dry_run, ray=engine.engine == "ray", questions=of_one)
    from dynfocus_cli.cli.each import run_each
    from dynfocus_cli.cli.splitting import Splitting

    splitting = Splitting(shots.split, exact=shots.exact, quiet=output.quiet)
    is_first = True

    def work(
        job: Job,
        video: str,
        query: Query | None,
        loaded: Backend,
        progress: Progress,
        prefetch: Prefetch | None,
    ) -> Inspection:
        result = _work(job, video, query, loaded, progress, prefetch)
        if shots.wanted:
            from dynfocus_cli.report.shot_spans import shot_spans

            shot_spans(result)  # they are kept; where the video cannot be read it is its own failure
        return result

    def show(job: Job, video: str, query: Query | None, inspection: Inspection) -> None:
        nonlocal is_first
        _show(job, video, query, inspection, is_first, with_shots=shots.shots)
        is_first = False

    split = None if shots.split is None else splitting.write
    run_each(
        "inspect", videos, questions, batch, model, run, output, exports, engine, work, show, split, shots
    )
    splitting.conclude()


def _questions(videos: list[str], question: str | None, questions: str | None) -> QuestionFile:
    """What frames are chosen for: one question, those of a file, or none."""
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


def _work(
    job: Job, video: str, query: Query | None, loaded: Backend, progress: Progress, prefetch: Prefetch | None
) -> Inspection:
    from dynfocus_cli import pipeline

    text = None if query is None else query.text
    return result_with_flags(
        pipeline.inspect(video, text, loaded, job.options, progress, prefetch, job.memory_cache)
    )


def _show(
    job: Job, video: str, query: Query | None, inspection: Inspection, is_first: bool, *, with_shots: bool
) -> None:
    from dynfocus_cli.report.json import inspection_record
    from dynfocus_cli.report.shot_spans import shot_spans

    where = job.where(video, query)
    spans = shot_spans(inspection) if with_shots else None
    if job.as_records:
        job.put(video, query, inspection_record(inspection, spans))
    else:
        if job.rows is not None and job.rows.content is not None:
            for line in job.rows.content(ExportSource(inspection), Path(STDOUT)).decode().splitlines():
                write_line(line)
        else:
            _write_table(inspection, spans, where, job.question(query), job.several_videos, is_first)
        if not job.quiet:
            job.show_evidence(inspection, where, table=False)
    job.warn(inspection.warnings, where)


def _write_table(
    inspection: Inspection,
    spans: Sequence[ShotSpan] | None,
    where: str,
    question: str,
    with_video: bool,
    first: bool,
) -> None:
    """The table of shots or key frames on stdout: aligned for a reader, tab-separated for a pipe."""
    from dynfocus_cli.report.shot_table import aligned_shots, separated_shots
    from dynfocus_cli.report.terminal import aligned_table, separated_table

    if on_terminal():
        if where:
            write_line(where if first else f"\n{where}")
        lines = aligned_table(inspection) if spans is None else aligned_shots(spans)
    else:
        if spans is None:
            lines = separated_table(inspection, with_video=with_video, with_header=first)
        else:
            path = inspection.source.path if with_video else None
            lines = separated_shots(spans, video=path, with_header=first)
        if question:
            column = ["question"] if first else []
            column += [question] * (len(lines) - len(column))
            lines = [f"{cell}\t{line}" for cell, line in zip(column, lines, strict=True)]
    for line in lines:
        write_line(line)
