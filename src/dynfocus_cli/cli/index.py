"""`dynfocus index VIDEO...`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.completion import model_names
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.output import on_terminal, write_line
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.options import RunOptions

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.batch.videos import Outcome
    from dynfocus_cli.cli.job import Job
    from dynfocus_cli.moments.indexing import IndexedVideo
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress

ONWARD = "What was kept so far stays: run the same command again to go on."


@command(completions={"model": model_names})
def index(
    videos: opt.VideosArgument,
    *,
    batch: opt.BatchOptions,
    model: opt.ModelRequest,
    run: RunOptions,
    output: opt.OutputOptions,
    engine: opt.EngineOptions,
) -> None:
    """Keep what `find` needs of videos, so that a search among them decodes nothing.

    A video is known by its content: what is kept is not done again, whatever the file is called, and a file
    that changed is. `find` keeps what it meets in the same place; `cache info` says what that takes, and
    `cache clear` removes it.
    """
    from dynfocus_cli.batch.questions import QuestionFile
    from dynfocus_cli.batch.remote_videos import is_remote
    from dynfocus_cli.cli.each import gathered
    from dynfocus_cli.cli.find_forecast import forecast_each
    from dynfocus_cli.cli.index_by_ray import index_by_ray, unwritable
    from dynfocus_cli.cli.job import for_each
    from dynfocus_cli.cli.resuming import results_of

    finder = cache(model.finder)

    shared_out = engine.engine == "ray"
    if shared_out and batch.output is None and not output.dry_run:
        raise UsageError("--engine ray goes on by a file of results: name it with --output.")

    def is_kept(video: str) -> bool:
        try:
            return is_remote(video) or finder().is_kept(video, run)
        except VideoUnreadable:
            return False  # its turn comes, and says why

    results = results_of(
        "index", batch, lambda: finder().info, run, output, still_holds=is_kept, remote=shared_out
    )
    with gathered(videos, QuestionFile((), ()), batch, results, run, output, remote=shared_out) as job:
        job = replace(job, onward=ONWARD)
        if output.dry_run:
            return forecast_each(job, model, is_kept)
        if shared_out:
            return index_by_ray(job, model, finder(), engine)
        count = 0

        def load() -> Finder:
            finder().index(run)  # raises before any video is touched
            return finder()

        def show(video: str, query: Query | None, kept: IndexedVideo) -> None:
            nonlocal count
            if kept.problem:
                raise unwritable(video, kept, finder(), job)
            _show(job, video, kept, finder(), is_first=count == 0)
            count += 1

        def finish(failed: Sequence[Outcome[IndexedVideo]]) -> None:
            if count and not job.quiet:
                _summarise(finder(), run)

        for_each(job, load, _work, show, _read_ahead, finish)


def _work(
    job: Job, video: str, query: Query | None, finder: Finder, progress: Progress, _: Prefetch | None
) -> IndexedVideo:
    return finder.keep(video, job.options, progress)


def _read_ahead(video: str, query: Query | None, finder: Finder) -> None:
    """Reads the next video for the digest of its content, which is remembered until its turn."""
    from dynfocus_cli.moments.indexing import digest_of

    digest_of(video)


def _show(job: Job, video: str, kept: IndexedVideo, finder: Finder, *, is_first: bool) -> None:
    """A line on stdout, for a reader or tab-separated, or a record."""
    from dynfocus_cli.report.index_record import index_line, index_record, separated_index

    warnings = tuple(map(with_flags, (*kept.entry.warnings, *kept.run_warnings)))
    if job.as_records:
        job.put(video, None, index_record(kept, finder.info, warnings))
    elif on_terminal():
        write_line(f"{job.prefix(video, None)}{index_line(kept)}")
    else:
        for line in separated_index(kept, with_header=is_first):
            write_line(line)
    job.warn(warnings, job.where(video, None))


def _summarise(finder: Finder, run: RunOptions) -> None:
    from dynfocus_cli.checkpoints.size import binary

    info = finder.index(run).info()
    if info is not None:
        videos = "1 video" if info.videos == 1 else f"{info.videos} videos"
        say(f"Kept for searches by {finder.name}: {videos}, {info.frames} frames, {binary(info.size)}.")
