"""`--dry-run` of `ask` and `inspect`: what a run would look at, spend and take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.each import for_each
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import Format, on_terminal, write_line, write_record

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints import ModelOutline
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Forecast, RunOptions


def show_forecasts(
    videos: Sequence[str],
    question: str | None,
    options: RunOptions,
    model: str | None,
    device: opt.Device,
    quantize: opt.Quantization | None,
    format: Format,
    quiet: bool,
) -> None:
    """One forecast a video, on stdout."""
    several = len(videos) > 1

    def load() -> ModelOutline:
        from dynfocus_cli.checkpoints import outline_model

        return outline_model(model, device, quantize)

    def work(video: str, outline: ModelOutline, progress: Progress) -> Forecast:
        from dynfocus_cli import pipeline

        return pipeline.forecast(video, question, outline, options)

    def show(forecast: Forecast) -> None:
        from dynfocus_cli import report
        from dynfocus_cli.report.terminal import forecast_lines

        if format != "text":
            write_record(report.forecast_record(forecast))
        else:
            if several:
                write_line(forecast.source.path)
            for line in forecast_lines(forecast):
                write_line(line)
            if several and on_terminal():
                write_line("")
        for warning in forecast.warnings:
            say(f"Warning: {forecast.source.path}: {warning}" if several else f"Warning: {warning}")

    for_each(videos, load, work, show, format=format, quiet=quiet)
