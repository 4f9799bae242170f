"""Progress on stderr, where somebody sees it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say
from dynfocus_cli.progress import Silent

if TYPE_CHECKING:
    from dynfocus_cli.cli.bars import Bars
    from dynfocus_cli.progress import Progress


def is_visible(quiet: bool) -> bool:
    """Whether anybody would see progress: a dumb terminal cannot take a line back."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    return on_terminal and not quiet and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


Writer = Callable[[str], None]


@contextmanager
def shown(title: str, enabled: bool, write: Writer | None = None, run: str = "") -> Iterator[Progress]:
    """A display of one video's progress until the block ends; `title` stands before each stage.

    Args:
        write: is given the answer's text; the display is removed before its first piece.
        run: how far all videos are.
    """
    if not enabled:
        yield _Unseen(write)
        return
    from dynfocus_cli.cli.bars import bars

    with bars(title, run) as display:
        yield _Seen(display, write)


def step_aside(progress: Progress) -> None:
    """Removes the display of `progress`, so that it does not draw over what is asked at the terminal."""
    if isinstance(progress, _Seen):
        progress.stop()


class _Unseen(Silent):
    """No display, and the answer's text as it comes."""

    def __init__(self, write: Writer | None) -> None:
        self._write = write
        self._has_text = False

    def stage(self, name: str, total: int | None) -> None:
        if self._has_text:  # memory ran out within the answer: the next one has a line of its own
            self.write("\n")
            self._has_text = False

    def notice(self, line: str) -> None:
        if self._write is not None:  # else it is said with the result, which comes in one piece
            say(f"Warning: {line}")

    def write(self, text: str) -> None:
        if self._write is not None:
            self._has_text = True
            self._write(text)


class _Seen(_Unseen):
    """A line on the terminal until the answer is written there."""

    def __init__(self, display: Bars, write: Writer | None) -> None:
        super().__init__(write)
        self._display = display

    def stage(self, name: str, total: int | None) -> None:
        super().stage(name, total)
        self._display.stage(name, total)

    def stop(self) -> None:
        self._display.stop()

    def advance(self, n: int) -> None:
        self._display.advance(n)

    def notice(self, line: str) -> None:
        if self._write is not None:
            self._display.stop()
            super().notice(line)

    def write(self, text: str) -> None:
        if self._write is not None:
            self._display.stop()
            super().write(text)
