"""The way from a video file to an answer with its evidence."""

from dynfocus_cli.pipeline.spine import ask, forecast, inspect

__all__ = ["ask", "forecast", "inspect"]
