"""`dynfocus ask VIDEO... QUESTION`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.arguments import may_be_video, videos_and_text
from dynfocus_cli.cli.completion import model_names
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.exporting import ExportFlags
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.offer import fetched_offer
from dynfocus_cli.cli.output import one_line, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import OutOfDomain, UsageError
from dynfocus_cli.options import RunOptions, check_question

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.job import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Answer, Option


@command(completions={"model": model_names})
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
    engine: opt.EngineOptions,
    choice: opt.ChoiceOption = None,
    exports: ExportFlags,
) -> None:
    """Answer a question about a video, and show its key frames and the frames that the answer attended to."""
    videos, questions = _arguments(videos, question, batch.questions, opt.choices(choice))
    from dynfocus_cli.cli.each import run_each

    def work(
        job: Job,
        video: str,
        query: Query | None,
        loaded: Backend,
        progress: Progress,
        prefetch: Prefetch | None,
    ) -> Answer:
        from dynfocus_cli import pipeline

        assert query is not None, "there is no asking without a question"

        def answer(by: Backend, prefetch: Prefetch | None) -> Answer:
            return result_with_flags(
                pipeline.ask(video, query.text, by, run, progress, query.choices, prefetch, job.memory_cache)
            )

        try:
            return answer(loaded, prefetch)
        except OutOfDomain as error:
            better = None if job.several or job.as_records else fetched_offer(error, progress)
            if better is None:
                raise
            return answer(model.named(better).load(), None)

    run_each("ask", videos, questions, batch, model, run, output, exports, engine, work, _show)


def _arguments(
    arguments: list[str], question: str | None, questions: str | None, choices: tuple[Option, ...]
) -> tuple[list[str], QuestionFile]:
    """The videos, and what to ask of them: the parser takes the last argument for the question."""
    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions

    if questions is not None:
        if question is None:
            raise UsageError("Missing argument VIDEO: a file, a folder, or - for paths on standard input.")
        videos = [*arguments, question]
        if not may_be_video(question):
            raise UsageError(
                f"--questions takes the place of QUESTION, and {question!r} is no video: leave one out."
            )
        if questions == "-" and "-" in videos:
            raise UsageError("Paths and questions cannot both come from standard input: put one in a file.")
        if choices:
            raise UsageError("The choices of each question stand in the file: leave --choice out.")
        return videos, read_questions(questions)
    example = 'dynfocus ask video.mp4 "What happens?"'
    videos, question = videos_and_text(arguments, question, missing="question", example=example)
    check_question(question)
    return videos, QuestionFile((Query(question, choices=choices),), ())


def _show(job: Job, video: str, query: Query | None, answer: Answer) -> None:
    from dynfocus_cli.report.json import answer_record
    from dynfocus_cli.report.reasons import most_attended
    from dynfocus_cli.report.terminal import check_lines, choice_lines

    evidence, where = answer.evidence, job.where(video, query)
    if job.as_records:
        job.put(video, query, answer_record(answer))
        return job.warn(evidence.warnings, where)
    if job.stream is not None:
        job.stream.finish(answer.answer)  # its notices were shown before it was begun
    else:
        for notice in evidence.notices:
            job.warnings.say(notice, where)
        write_line(f"{job.prefix(video, query)}{one_line(answer.answer)}")
    if not job.quiet:
        for line in (*choice_lines(answer), *check_lines(answer)):
            say(line)
        job.show_evidence(evidence, where, table=not job.several, attended=most_attended(answer))
    job.warn(evidence.warnings[len(evidence.notices) :], where)
