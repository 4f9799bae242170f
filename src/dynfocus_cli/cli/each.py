"""Several videos and questions in one run of `ask` or `inspect`: one model, and each failure by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, TypeVar

from dynfocus_cli.batch import videos as batch_videos
from dynfocus_cli.batch.questions import Query, QuestionFile
from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.batch.video_questions import VideoQuestions
from dynfocus_cli.cli.errors import Failure, say
from dynfocus_cli.cli.exporting import ExportFlags, Exporting
from dynfocus_cli.cli.job import Job, for_each, put_failure
from dynfocus_cli.cli.options import (
    BatchOptions,
    EngineOptions,
    ModelRequest,
    OutputOptions,
    ShotOptions,
    check_subtitles,
)
from dynfocus_cli.cli.output import AnswerStream, on_terminal
from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.options import RunOptions

if TYPE_CHECKING:
    from dynfocus_cli.cli.resuming import ResumableResults
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Answer, Inspection

Evidence = TypeVar("Evidence", "Answer", "Inspection")


def run_each(
    command: Literal["ask", "inspect"],
    arguments: Sequence[str],
    questions: QuestionFile,
    batch: BatchOptions,
    model: ModelRequest,
    run: RunOptions,
    output: OutputOptions,
    exports: ExportFlags,
    engine: EngineOptions,
    work: Callable[[Job, str, Query | None, Backend, Progress, Prefetch | None], Evidence],
    show: Callable[[Job, str, Query | None, Evidence], None],
    write_more: Callable[[Evidence], list[Failure]] | None = None,
    more: ShotOptions | None = None,
) -> None:
    """Goes through the videos that `arguments` name, and writes results, exported files and records.

    Args:
        write_more: writes further files of a result, and says and returns what could not be written.
        more: further options that a record depends on.

    Raises:
        UsageError: options that contradict each other.
        VideoUnreadable: there is no video, or the only one cannot be read.
        SomeVideosFailed: some of several results or files failed.
    """
    from dynfocus_cli.cli.resuming import results_of

    check_subtitles(run.subtitles)
    shared_out = engine.engine == "ray"
    if shared_out and batch.output is None and not output.dry_run:
        raise UsageError("--engine ray writes results into a file: name it with --output.")
    results = results_of(
        command, batch, lambda: model.spec().info, run, output, lambda several: more, remote=shared_out
    )
    rows = None
    if command == "inspect":
        exports, rows = exports.without_stdout(batch, output)
    export_options = exports.options(questions, dry_run=output.dry_run)

    def prefetch(video: str, query: Query | None, loaded: Backend) -> Prefetch:
        from dynfocus_cli.pipeline.prefetch import start_prefetch

        if query is None:
            return start_prefetch(video, None, loaded, run)
        return start_prefetch(video, query.text, loaded, run, query.choices if command == "ask" else ())

    if shared_out and export_options is not None:
        raise UsageError("--engine ray writes records alone: leave the options for other files out.")
    with gathered(arguments, questions, batch, results, run, output, remote=shared_out) as job:
        if output.dry_run:
            from dynfocus_cli.cli.forecast_each import forecast_each

            return forecast_each(job, model, engine)
        if shared_out:
            from dynfocus_cli.cli.each_by_ray import for_each_by_ray

            return for_each_by_ray(command, job, model, engine)
        if rows is not None and job.several:
            raise UsageError(
                f"{rows.flag} - writes the rows of one video and there are several: name a folder."
            )
        if command == "ask" and not job.as_records and on_terminal() and not job.several:
            job = replace(job, stream=AnswerStream())
        job = replace(job, rows=rows)
        if export_options is not None:
            job = replace(job, paths=list(job.paths))  # the names of their files have to be told apart
        exporting = Exporting(export_options, job.paths, several=job.several, quiet=job.quiet)

        def show_and_export(video: str, query: Query | None, result: Evidence) -> None:
            if job.results is None:
                show(job, video, query, result)
            failures = [] if write_more is None else write_more(result)
            failures += exporting.write(result)
            if job.results is not None:
                if failures:  # a result in the file says that all of its video is done
                    put_failure(job, video, query, failures[0])
                else:
                    show(job, video, query, result)

        def load() -> Backend:
            loaded, query = model.load(), job.queries[0]
            asks_one = command == "ask" and len(job.queries) == 1
            with_records = job.format == "jsonl" or job.results is not None  # which each video has of its own
            if query is not None and asks_one and job.several_videos and not with_records:
                from dynfocus_cli import pipeline

                pipeline.admit_question(loaded, query.text, run)  # else it would be said of each video
            return loaded

        try:
            for_each(job, load, work, show_and_export, prefetch)
        except KeyboardInterrupt:
            if job.stream is not None:
                job.stream.break_off()
            raise
        if results is not None and results.done and (write_more or export_options) and not job.quiet:
            say("Of what was made before no other files were written: for those run it without --output.")
        exporting.conclude()


def say_empty(shard: Shard, *, quiet: bool) -> None:
    """Says that a part of a run has no videos."""
    if not quiet:
        say(f"There is no video for part {shard}: there are fewer videos than parts.")


@contextmanager
def gathered(
    arguments: Sequence[str],
    questions: QuestionFile,
    batch: BatchOptions,
    results: ResumableResults | None,
    run: RunOptions,
    output: OutputOptions,
    *,
    remote: bool = False,
    one_object: bool = False,
) -> Iterator[Job]:
    """What there is to do; the file of results, if one is wanted, is open until the block ends.

    Args:
        one_object: whether one JSON object holds what comes of all videos.

    Raises:
        UsageError: the format cannot hold that many results, or the file of results is of no use.
        VideoUnreadable: there is no video.
    """
    search, shard = batch.search(say, remote=remote), batch.part
    queries = VideoQuestions(questions, (path for path in arguments if path != batch_videos.STDIN))
    if output.format == "json" and len(queries.all) > 1:
        raise UsageError("--json prints one object and there are several questions: use --jsonl.")
    for problem in questions.problems:
        say(f"Error: {problem}")
    with ExitStack() as stack:
        if results is not None:
            stack.enter_context(results.opened(quiet=output.quiet))
        if batch.null and batch_videos.STDIN not in arguments:
            raise UsageError("-0 says how paths on standard input end: give - as the video.")
        stdin = None if sys.stdin is None else sys.stdin.buffer
        paths = queries.with_missing(batch_videos.expand(arguments, stdin, search, null=batch.null))
        first = list(islice(paths, 2))  # shows whether there are several
        if not first:
            raise VideoUnreadable("No video: standard input named none.")
        several = len(first) > 1
        if output.format == "json" and several and not one_object:
            raise UsageError("--json prints one object and there are several videos: use --jsonl.")
        if results is not None:
            results.resume(several_videos=several, quiet=output.quiet)
        videos = shard.part((path for path in chain(first, paths) if queries.of(path)), str)
        # Names on standard input may take their time; what is in folders is soon known, and can be counted.
        listed = videos if batch_videos.STDIN in arguments else list(videos)
        if not shard.is_whole and listed == []:
            if results is not None:
                results.stay_empty()
            say_empty(shard, quiet=output.quiet)
        yield Job(
            listed, several, queries, run, output.format, output.quiet, results, questions.problems, shard
        )
