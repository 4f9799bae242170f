"""`--dry-run` of `find` and `index`: at which moments of each video would be looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.job import Job, for_each
from dynfocus_cli.cli.options import ModelRequest
from dynfocus_cli.cli.output import write_line
from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import SamplingPlan, VideoSource

Planned = tuple["Finder", "VideoSource", "SamplingPlan", bool]


def forecast_each(
    job: Job, model: ModelRequest, is_kept: Callable[[str], bool] = lambda video: False
) -> None:
    """A line a video on stdout. Raises UsageError for JSON, which has no record of it.

    Args:
        is_kept: whether the video need not be looked at any more.
    """
    if job.as_records:
        raise UsageError("--dry-run prints lines of text here: leave --json and --jsonl out.")

    def work(
        job: Job, video: str, query: Query | None, finder: Finder, progress: Progress, _: Prefetch | None
    ) -> Planned:
        return finder, *finder.plan(video, job.options), is_kept(video)

    def show(video: str, query: Query | None, planned: Planned) -> None:
        from dynfocus_cli.video.timecode import format_timecode

        finder, source, plan, kept = planned
        count = len(plan.times_s)
        span = f"{format_timecode(plan.start_s)} to {format_timecode(plan.end_s)}"
        how = "" if finder.retriever is not None else ", asked of the language model in windows"
        how += ", kept already" if kept else ""
        prefix = job.prefix(video, None)
        write_line(
            f"{prefix}{count} {'frame' if count == 1 else 'frames'}, {span}, "
            f"{source.width}x{source.height} {source.codec}, by {finder.name}{how}"
        )
        job.warn(tuple(map(with_flags, plan.warnings)), job.where(video, query))

    for_each(job, model.finder, work, show)
