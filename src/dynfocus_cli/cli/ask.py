"""`dynfocus ask VIDEO... QUESTION`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.exporting import NO_EXPORTS, ExportFlags, Exporting, with_export_flags
from dynfocus_cli.cli.output import format_of, on_terminal, one_line, write_line
from dynfocus_cli.cli.streaming import Streamed
from dynfocus_cli.errors import OutOfDomain, UsageError

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Answer, Option


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
    check: opt.CheckOption = False,
    anyway: opt.AnywayOption = False,
    choice: opt.ChoiceOption = None,
    seed: opt.SeedOption = opt.DEFAULT_SEED,
    max_new_tokens: opt.MaxNewTokensOption = opt.DEFAULT_MAX_NEW_TOKENS,
    temperature: opt.TemperatureOption = opt.DEFAULT_TEMPERATURE,
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
    """Answer a question about a video, and show its key frames and the frames that the answer attended to."""
    with reported():
        videos, asked = _asked(videos, question, questions, opt.choices(choice))
        opt.check_subtitles(subtitles)
        format = format_of(json, jsonl)
        from dynfocus_cli.cli.each import for_each, gathered
        from dynfocus_cli.options import DecodingOptions, GenerationOptions, RunOptions

        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, start, end, at),
            opt.selection_options(prototypes, key_ratio, budget, scorer, cone_tokens, rods, stock),
            GenerationOptions(max_new_tokens=max_new_tokens, seed=seed, temperature=temperature),
            DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
            subtitles,
            check,
            anyway,
        )
        search = opt.search(recursive, glob)
        wanted = opt.ModelRequest(model, device, quantize, selector_model)
        to = opt.output(output, retry_failed, "ask", wanted, run_options, format, dry_run)
        export_options = exports.options(asked, dry_run=dry_run)

        from dynfocus_cli.features.memory_cache import MemoryFeatureCache

        memory_cache = MemoryFeatureCache()

        def prefetch(video: str, query: Query | None, loaded: Backend) -> Prefetch:
            from dynfocus_cli.pipeline.prefetch import start_prefetch

            assert query is not None, "there is no asking without a question"
            return start_prefetch(video, query.text, loaded, run_options, query.choices)

        def work(
            video: str, query: Query | None, loaded: Backend, progress: Progress, prefetch: Prefetch | None
        ) -> Answer:
            from dynfocus_cli import pipeline

            assert query is not None, "there is no asking without a question"

            def answer(by: Backend, prefetch: Prefetch | None) -> Answer:
                return pipeline.ask(
                    video, query.text, by, run_options, progress, query.choices, prefetch, memory_cache
                )

            try:
                return answer(loaded, prefetch)
            except OutOfDomain as error:
                if job.several or job.as_records:
                    raise
                from dynfocus_cli.cli.offer import accepted_model

                better = accepted_model(error, wanted, progress)
                if better is None:
                    raise
                return answer(better, None)

        with gathered(videos, asked, search, to, null=null, format=format, quiet=quiet) as job:
            if dry_run:
                from dynfocus_cli.cli.forecast import show_forecasts

                return show_forecasts(job, run_options, wanted)
            exporting = Exporting(export_options, job)
            streamed = Streamed() if not job.as_records and on_terminal() and not job.several else None

            def show(video: str, query: Query | None, answer: Answer) -> None:
                _show(video, query, answer, job, streamed)

            write = None if streamed is None else streamed.write
            try:
                for_each(exporting.job, wanted.load, work, exporting.beside(show), write, prefetch)
            except KeyboardInterrupt:
                if streamed is not None:
                    streamed.break_off()
                raise
            exporting.conclude()


def _asked(
    arguments: list[str], question: str | None, questions: str | None, choices: tuple[Option, ...]
) -> tuple[list[str], QuestionFile]:
    """The videos, and what to ask of them: the parser takes the last argument for the question."""
    from dynfocus_cli.batch.questions import Query, QuestionFile, read_questions
    from dynfocus_cli.options import check_question

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
