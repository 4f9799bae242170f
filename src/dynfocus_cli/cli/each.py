"""What `ask` and `inspect` share: one model, one video after the other, each failure to itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import typer

from dynfocus_cli import batch
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.cli.output import Format, write_record
from dynfocus_cli.errors import DynFocusError, SomeVideosFailed, UsageError, VideoUnreadable

if TYPE_CHECKING:
    from dynfocus_cli.progress import Progress

Model = TypeVar("Model")
"""A loaded model, or its outline where nothing is run."""
Result = TypeVar("Result")


def videos_from(arguments: Sequence[str], format: Format) -> list[str]:
    """The videos that the arguments name, at least one. Raises UsageError where `format` cannot hold them."""
    videos = batch.expand(arguments, sys.stdin.buffer if sys.stdin is not None else ())
    if not videos:
        raise VideoUnreadable("No video: standard input named none.")
    if format == "json" and len(videos) > 1:
        raise UsageError(f"--json prints one object and there are {len(videos)} videos: use --jsonl.")
    return videos


def for_each(
    videos: Sequence[str],
    load: Callable[[], Model],
    work: Callable[[str, Model, Progress], Result],
    show: Callable[[Result], None],
    *,
    format: Format,
    quiet: bool,
    write: Callable[[str], None] | None = None,
) -> None:
    """Load the model once, `work` on each video, `show` each result as it comes.

    One video exits with its own code. Of several, those that work are shown, and the rest raise
    SomeVideosFailed at the end. Where no video is there to be opened, neither the model nor torch is loaded.

    Args:
        write: told of an answer's text while it is written.
    """
    loaded: Model | None = None
    with_bars = display.wanted(quiet)
    if any(_is_there(video) for video in videos):
        with display.shown("", with_bars):
            loaded = load()

    several = len(videos) > 1

    def process(video: str) -> Result:
        assert loaded is not None, "a video that passes the check was there before the model was loaded"
        with display.shown(video if several else "", with_bars, write) as progress:
            return work(video, loaded, progress)

    failures: list[Failure] = []
    for outcome in batch.run(videos, process):
        if outcome.error is None:
            assert outcome.result is not None, "work returns a result or raises"
            show(outcome.result)
        else:
            failures.append(_report(outcome.video, outcome.error, several, format))
    if failures and several:
        raise SomeVideosFailed(f"{len(failures)} of {len(videos)} videos failed.")
    if failures:
        raise typer.Exit(failures[0].code)


def _is_there(video: str) -> bool:
    try:
        batch.check(video)
    except DynFocusError:
        return False
    return True


def _report(video: str, error: Exception, several: bool, format: Format) -> Failure:
    """Say on stderr, and as a record where records are wanted, why one video failed."""
    trace(error)
    failure = failure_of(error)
    where = f"{video}: " if several and video not in failure.message else ""
    say(f"Error: {where}{failure.message}")
    if format == "jsonl":
        from dynfocus_cli.report import error_record

        write_record(error_record(video, *failure))
    return failure
