"""`dynfocus ask VIDEO... QUESTION`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.exporting import NO_EXPORTS, ExportFlags, Exporting, with_export_flags
from dynfocus_cli.cli.output import on_terminal, one_line, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.cli.streaming import Streamed
from dynfocus_cli.errors import OutOfDomain, UsageError
from dynfocus_cli.options import RunOptions, check_question

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Answer, Option


@command()
@with_export_flags
def ask(
    videos: Annotated[
        list[str],
        typer.Argument(
            # Optional for the parser alone: of a single argument it would say that the video is missing.
            default_factory=list,
            metavar="VIDEO",
            show_default=False,
            help="Files or folders, or - for paths on standard input.",
        ),
    ],
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION",
            show_default=False,
            help="What to ask of each video; left out with --questions.",
        ),
    ] = None,
    *,
    batch: opt.BatchOptions,
    model: opt.ModelRequest,
    run: RunOptions,
    output: opt.OutputOptions,
    choice: opt.ChoiceOption = None,
    exports: ExportFlags = NO_EXPORTS,
) -> None:
    """Answer a question about a video, and show its key frames and the frames that the answer attended to."""
    videos, questions = _arguments(videos, question, batch.questions, opt.choices(choice))
    opt.check_subtitles(run.subtitles)
    from dynfocus_cli.cli.each import for_each, gathered

    results = batch.results("ask", model, run, output)
    export_options = exports.options(questions, dry_run=output.dry_run)

    from dynfocus_cli.features.memory_cache import MemoryFeatureCache

    memory_cache = MemoryFeatureCache()

    def prefetch(video: str, query: Query | None, loaded: Backend) -> Prefetch:
        from dynfocus_cli.pipeline.prefetch import start_prefetch

        assert query is not None, "there is no asking without a question"
        return start_prefetch(video, query.text, loaded, run, query.choices)

    def work(
        video: str, query: Query | None, loaded: Backend, progress: Progress, prefetch: Prefetch | None
    ) -> Answer:
        from dynfocus_cli import pipeline

        assert query is not None, "there is no asking without a question"

        def answer(by: Backend, prefetch: Prefetch | None) -> Answer:
            return pipeline.ask(video, query.text, by, run, progress, query.choices, prefetch, memory_cache)

        try:
            return answer(loaded, prefetch)
        except OutOfDomain as error:
            if job.several or job.as_records:
                raise
            from dynfocus_cli.cli.offer import accepted_model

            better = accepted_model(error, model, progress)
            if better is None:
                raise
            return answer(better, None)

    with gathered(videos, questions, batch, results, output) as job:
        if output.dry_run:
            from dynfocus_cli.cli.forecast import show_forecasts

            return show_forecasts(job, run, model)
        exporting = Exporting(export_options, job)
        streamed = Streamed() if not job.as_records and on_terminal() and not job.several else None

        def show(video: str, query: Query | None, answer: Answer) -> None:
            _show(video, query, answer, job, streamed)

        write = None if streamed is None else streamed.write
        try:
            for_each(exporting.job, model.load, work, exporting.beside(show), write, prefetch)
        except KeyboardInterrupt:
            if streamed is not None:
                streamed.break_off()
            raise
        exporting.conclude()


def _arguments(
    arguments: list[str], question: str | None, questions: str | None, choices: tuple[Option, ...]
) -> tuple[list[str], QuestionFile]:
    """The videos, and what to ask of them: the parser takes the last argument for the question."""
    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions

    if questions is not None:
        if question is None:
            raise UsageError("Missing argument VIDEO: a file, a folder, or - for paths on standard input.")
        videos = [*arguments, question]
        if not _may_be_video(question):
            raise UsageError(
                f"--questions takes the place of QUESTION, and {question!r} is no video: leave one out."
            )
        if questions == "-" and "-" in videos:
            raise UsageError("Paths and questions cannot both come from standard input: put one in a file.")
        if choices:
            raise UsageError("The choices of each question stand in the file: leave --choice out.")
        return videos, read_questions(questions)
    if question is None:
        raise UsageError("Missing argument VIDEO, and a question after it.")
    if not arguments or _is_video(question):
        raise UsageError('No question: it comes last, as in: dynfocus ask video.mp4 "What happens?"')
    check_question(question)
    return arguments, QuestionFile((Query(question, choices=choices),), ())


def _may_be_video(argument: str) -> bool:
    """Something that is there, or that is called as a video is; its being missing is told later."""
    from dynfocus_cli.batch.video_files import has_video_name
    from dynfocus_cli.batch.videos import STDIN

    return argument == STDIN or has_video_name(argument) or os.path.exists(argument)


def _is_video(argument: str) -> bool:
    """A video where the question should be: the question was left out after several videos."""
    from dynfocus_cli.batch.video_files import has_video_name
    from dynfocus_cli.batch.videos import STDIN

    return argument == STDIN or (has_video_name(argument) and os.path.exists(argument))


def _show(video: str, query: Query | None, answer: Answer, job: Job, streamed: Streamed | None) -> None:
    from dynfocus_cli.cli.evidence import show_check, show_evidence, show_notices, show_options, show_warnings
    from dynfocus_cli.report.json import answer_record
    from dynfocus_cli.report.reasons import most_attended

    evidence, where = answer.evidence, job.where(video, query)
    if job.as_records:
        job.put(video, query, answer_record(answer))
    else:
        if streamed is not None:
            streamed.finish(answer.answer)  # its notices were shown before it was begun
        else:
            show_notices(evidence, where, job.warnings)
            write_line(f"{job.prefix(video, query)}{one_line(answer.answer)}")
        if not job.quiet:
            show_options(answer)
            show_check(answer)
            show_evidence(evidence, where, job.tally, table=not job.several, attended=most_attended(answer))
    show_warnings(evidence, where, job.warnings, notices=job.as_records)
