"""The way from a video file to an answer with its evidence."""

from dynfocus_cli.pipeline.domain import admit_question
from dynfocus_cli.pipeline.dry_run import forecast
from dynfocus_cli.pipeline.spine import ask, inspect

__all__ = ["admit_question", "ask", "forecast", "inspect"]
