"""`dynfocus find VIDEO... TEXT`"""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.arguments import videos_and_text
from dynfocus_cli.cli.completion import model_names
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.exporting import ExportFlags
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.offer import fetched_offer
from dynfocus_cli.cli.output import on_terminal, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import OutOfDomain, UsageError
from dynfocus_cli.options import FindOptions, RunOptions, check_query

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.batch.videos import Outcome
    from dynfocus_cli.cli.job import Job
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.moments.moment import Moments, Screening, VideoMoments
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress


@command(completions={"model": model_names})
def find(
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
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", show_default=False, help="What to look for, as in 'a dog jumps'."),
    ] = None,
    *,
    batch: opt.BatchOptions,
    model: opt.ModelRequest,
    search: FindOptions,
    run: RunOptions,
    output: opt.OutputOptions,
    clips: opt.ClipOptions,
    exports: ExportFlags,
) -> None:
    """Find when something happens, in one video or in many: stretches of time, the best first."""
    videos, text = videos_and_text(
        videos, text, missing="text", example='dynfocus find video.mp4 "a dog jumps"'
    )
    check_query(text)
    opt.check_subtitles(run.subtitles)
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import gathered
    from dynfocus_cli.cli.find_files import FindFiles
    from dynfocus_cli.cli.find_forecast import forecast_each
    from dynfocus_cli.cli.job import for_each
    from dynfocus_cli.cli.resuming import results_of
    from dynfocus_cli.moments.captions import caption_of
    from dynfocus_cli.moments.library import with_borders
    from dynfocus_cli.moments.moment import Moments, VideoFailure

    def of_record(several: bool) -> FindOptions:
        refined = search.refine if several else with_borders(search, exact=True).refine
        return replace(search, refine=refined or None)  # borders as they come are no option

    results = results_of("find", batch, lambda: model.finder().info, run, output, of_record)
    questions = QuestionFile((Query(text),), ())
    export_options = exports.options(questions, dry_run=output.dry_run)
    writes = export_options is not None or clips.clips is not None
    if writes and batch.output is not None:
        raise UsageError(
            "Files show what a whole search found, and a run that goes on with --output has only what is "
            "new: leave --output or them out."
        )
    with gathered(videos, questions, batch, results, run, output, one_object=True) as job:
        if output.dry_run:
            return forecast_each(job, model)
        if writes:
            job = replace(job, paths=list(job.paths))  # the names of their files have to be told apart
        files = FindFiles(export_options, clips, list(job.paths) if writes else (), quiet=output.quiet)
        options = with_borders(search, exact=writes or not job.several_videos)
        found: dict[str, VideoMoments] = {}
        screening: Screening | None = None
        opened: list[Finder] = []
        each_is_shown = writes or job.format == "jsonl" or job.results is not None

        def load() -> Finder:
            nonlocal screening
            finder = model.finder()
            finder.check(options)
            if job.several_videos and not each_is_shown:  # else each has a record, or an offer may answer it
                finder.check_text(text, run)
            opened.append(finder)
            if isinstance(job.paths, Sized) and job.several_videos and not each_is_shown:
                screening = finder.screen(job.paths, text, options, run)
            return finder

        def passes_over(video: str) -> bool:
            return screening is not None and video in screening.passed_over

        def work(
            job: Job, video: str, query: Query | None, finder: Finder, progress: Progress, _: Prefetch | None
        ) -> VideoMoments:
            try:
                result = finder.find(video, text, options, run, progress)
            except OutOfDomain as error:
                better = None if job.several or job.as_records else fetched_offer(error, progress)
                if better is None:
                    raise
                opened[:] = [model.named(better).finder()]
                result = opened[0].find(video, text, options, run, progress)
            return replace(result, warnings=tuple(map(with_flags, result.warnings)))

        def moments_of(videos: tuple[VideoMoments, ...]) -> Moments:
            return Moments(text, caption_of(text), opened[0].info, videos, options.top)

        def show(video: str, query: Query | None, result: VideoMoments) -> None:
            has_record = job.format == "jsonl" or job.results is not None
            if has_record:
                from dynfocus_cli.report.moments_record import moments_record

                job.put(video, query, moments_record(moments_of((result,))))
            if writes or not has_record:  # a curve takes memory, of ten thousand videos a good part of it
                found[video] = result
            job.warn(result.warnings, job.where(video, query))

        def finish(failed: Sequence[Outcome[VideoMoments]]) -> None:
            if not opened:
                return  # all videos were searched by an earlier run, or none is there
            failures = tuple(
                VideoFailure(each.video, each.error) for each in failed if each.error is not None
            )
            moments = replace(
                moments_of(tuple(found.values())),
                failures=failures,
                screening=screening and screening.without(failure.video for failure in failures),
            )
            if not moments.count:
                return
            _show(job, moments)
            files.write(moments)

        for_each(job, load, work, show, finish=finish, passes_over=passes_over)
        files.conclude()


def _show(job: Job, moments: Moments) -> None:
    """The ranking across all videos, on stdout; where it is of one video, its curve on stderr."""
    from dynfocus_cli.report.moments_record import moments_record
    from dynfocus_cli.report.moments_table import aligned_moments, not_found, separated_moments

    if job.format == "json":
        from dynfocus_cli.cli.output import write_record

        return write_record(moments_record(moments))
    if job.as_records:
        return
    if moments.ranked:
        if on_terminal():
            width = shutil.get_terminal_size().columns
            lines = aligned_moments(moments, width, with_video=job.several_videos)
        else:
            lines = separated_moments(moments.ranked, with_header=True)
        for line in lines:
            write_line(line)
    elif not job.quiet:
        say(with_flags(not_found(moments)))
    if not job.quiet:
        _show_evidence(moments)


def _show_evidence(moments: Moments) -> None:
    """The curve of a single video, and what the search took."""
    from rich.text import Text

    from dynfocus_cli.report.curve_strip import print_curve
    from dynfocus_cli.report.moments_table import summary
    from dynfocus_cli.report.terminal import stderr_console

    console = stderr_console()
    if len(moments.videos) == moments.count == 1:
        console.print()
        print_curve(console, moments.videos[0], moments.ranked)
    for line in summary(moments):
        console.print(Text(line, style="dim"))
