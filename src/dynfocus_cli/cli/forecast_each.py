"""`--dry-run` of `ask` and `inspect`: what a run would look at, spend and take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.job import Job, for_each
from dynfocus_cli.cli.options import ModelRequest
from dynfocus_cli.cli.output import on_terminal, write_line

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.models.protocol import ModelSpec
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Forecast


def forecast_each(job: Job, model: ModelRequest) -> None:
    """One forecast a video and question, on stdout."""

    def show(video: str, query: Query | None, forecast: Forecast) -> None:
        from dynfocus_cli.report.json import forecast_record
        from dynfocus_cli.report.terminal import forecast_lines

        where = job.where(video, query)
        if job.as_records:
            job.put(video, query, forecast_record(forecast))
        else:
            lines = [*([where] if where else []), *forecast_lines(forecast)]
            for line in [*lines, ""] if where and on_terminal() else lines:
                write_line(line)
        for warning in forecast.warnings:
            job.warnings.say(warning, where)

    for_each(job, model.plan, _forecast, show)


def _forecast(
    job: Job, video: str, query: Query | None, spec: ModelSpec, progress: Progress, prefetch: Prefetch | None
) -> Forecast:
    from dynfocus_cli import pipeline

    text, choices = (None, ()) if query is None else (query.text, query.choices)
    return result_with_flags(pipeline.forecast(video, text, spec, job.options, choices))
