"""Progress on stderr: a bar a stage that leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynfocus_cli.progress import Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from dynfocus_cli.progress import Progress

_LABELS = {
    "encode": "Looking at frames",
    "select": "Choosing key frames",
    "generate": "Writing the answer",
    "digest": "Reading the source",
    "convert": "Writing the model",
    "download": "Downloading",
}


def wanted(quiet: bool) -> bool:
    """Whether anybody would see it."""
    return not quiet and sys.stderr is not None and sys.stderr.isatty()


Writer = Callable[[str], None]


@contextmanager
def shown(title: str, enabled: bool, write: Writer | None = None) -> Iterator[Progress]:
    """A display for one video, gone when the block ends; `title` stands before each stage.

    Args:
        write: is told the answer's text; the display is gone before its first piece.
    """
    if not enabled:
        yield _Unseen(write)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    spinner = SpinnerColumn("dots" if console.encoding.lower().startswith("utf") else "line")
    columns = (spinner, TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # stdout is the answer's alone: rich must not pass it through the display.
    with Bar(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        yield _Stages(bar, f"{escape(title)}  " if title else "", write)


class _Unseen(Silent):
    """No display, and the answer's text as it comes."""

    def __init__(self, write: Writer | None) -> None:
        self._write = write
        self._begun = False

    def stage(self, name: str, total: int | None) -> None:
        if self._begun:  # memory ran out within the answer: the next one has a line of its own
            self.write("\n")
            self._begun = False

    def write(self, text: str) -> None:
        if self._write is not None:
            self._begun = True
            self._write(text)


class _Stages(_Unseen):
    """One line, which each stage takes over from the one before."""

    def __init__(self, bar: Bar, prefix: str, write: Writer | None) -> None:
        super().__init__(write)
        self._bar = bar
        self._prefix = prefix
        self._task = bar.add_task(f"{prefix}Loading", total=None)

    def stage(self, name: str, total: int | None) -> None:
        super().stage(name, total)
        self._bar.remove_task(self._task)
        self._task = self._bar.add_task(f"{self._prefix}{_LABELS.get(name, name)}", total=total)

    def advance(self, n: int) -> None:
        self._bar.advance(self._task, n)

    def write(self, text: str) -> None:
        if self._write is not None:
            self._bar.stop()
            super().write(text)
