"""`--dry-run` of `ask` and `inspect`: what a run would look at, spend and take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.each import Job, for_each
from dynfocus_cli.cli.output import on_terminal, write_line

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.models.protocol import ModelSpec
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Forecast


def show_forecasts(
    job: Job,
    options: RunOptions,
    model: opt.ModelRequest,
) -> None:
    """One forecast a video and question, on stdout."""

    def work(
        video: str, query: Query | None, spec: ModelSpec, progress: Progress, prefetch: Prefetch | None
    ) -> Forecast:
        from dynfocus_cli import pipeline

        if query is None:
            return pipeline.forecast(video, None, spec, options)
        return pipeline.forecast(video, query.text, spec, options, query.choices)

    def show(video: str, query: Query | None, forecast: Forecast) -> None:
        from dynfocus_cli.report.json import forecast_record
        from dynfocus_cli.report.terminal import forecast_lines

        where = job.where(video, query)
        if job.as_records:
            job.put(video, query, forecast_record(forecast))
        else:
            if where:
                write_line(where)
            for line in forecast_lines(forecast):
                write_line(line)
            if where and on_terminal():
                write_line("")
        for warning in forecast.warnings:
            job.warnings.say(warning, where)

    for_each(job, model.plan, work, show)
