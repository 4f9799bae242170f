"""`--dry-run` of `ask` and `inspect`: what a run would look at, spend and take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.job import Job, for_each
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.cli.output import on_terminal, write_line

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.models.protocol import ModelSpec
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Forecast


def forecast_each(job: Job, model: ModelRequest, engine: EngineOptions) -> None:
    """One forecast a video and question, on stdout; where workers share them out, also what all take."""
    videos, seconds, gpus = set[str](), 0.0, 0.0

    def show(video: str, query: Query | None, forecast: Forecast) -> None:
        from dynfocus_cli.report.json import forecast_record
        from dynfocus_cli.report.terminal import forecast_lines

        nonlocal seconds, gpus
        videos.add(video)
        time_s = forecast.time_s
        tokens = forecast.tokens.generated
        seconds += time_s.encode + time_s.select + time_s.first_token + time_s.each_token * tokens
        gpus = 0.0 if forecast.model.device == "cpu" else engine.gpus_per_worker or 1.0
        where = job.where(video, query)
        if job.as_records:
            job.put(video, query, forecast_record(forecast))
        else:
            lines = [*([where] if where else []), *forecast_lines(forecast)]
            for line in [*lines, ""] if where and on_terminal() else lines:
                write_line(line)
        for warning in forecast.warnings:
            job.warnings.say(warning, where)

    try:
        for_each(job, model.plan, _forecast, show)
    finally:
        if engine.engine == "ray" and videos:
            device = f"{seconds * gpus / 3600:.2f} GPU hours" if gpus else f"{seconds / 3600:.2f} CPU hours"
            say(f"All of {len(videos)} videos: {seconds:.0f} s of one worker at most, {device}.")


def _forecast(
    job: Job, video: str, query: Query | None, spec: ModelSpec, progress: Progress, prefetch: Prefetch | None
) -> Forecast:
    from dynfocus_cli import pipeline

    text, choices = (None, ()) if query is None else (query.text, query.choices)
    return result_with_flags(pipeline.forecast(video, text, spec, job.options, choices))
