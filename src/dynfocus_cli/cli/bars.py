"""How progress looks on a terminal: one line that each stage takes over from the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from dynfocus_cli.cli.output import one_line, visible
from dynfocus_cli.cli.tally import clock
from dynfocus_cli.report.terminal import stderr_console

_STAGES = {
    "encode": ("Looking at frames", "frames"),
    "select": ("Choosing key frames", ""),
    "generate": ("Writing the answer", "tokens"),
    "digest": ("Reading the source", "MB"),
    "convert": ("Writing the model", "tensors"),
    "download": ("Downloading", "MB"),
    "plan": ("Reading the data", ""),
    "share out": ("Answering", "results"),
    "evaluate": ("Evaluating", "predictions"),
    "index": ("Indexing", "videos"),
    "features": ("Looking at videos", "videos"),
    "train": ("Training", "steps"),
    "validate": ("Asking", "questions"),
}
"""Name of a stage -> what it is called, and what its pieces are."""

_LABEL, _COUNT, _PACE = 22, 11, 28
"""Columns that these take at most: spinner and label; 1234/12345; 69.9 frames/s, 1:02:03 left."""
SHORTEST_TITLE, SHORTEST_BAR, WIDEST_BAR = 12, 8, 40


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of the progress line that fit into the terminal; label and count always do."""

    title: int
    pace: bool
    bar: int

    @classmethod
    def of(cls, width: int, title: int) -> Layout:
        """Title, pace and bar, in this order, as long as there is room for them."""
        room = width - _LABEL - _COUNT
        title = min(title, max(room // 3, SHORTEST_TITLE))
        if title and room < title + 2:
            title = 0
        room -= title + 2 if title else 0
        pace = room > _PACE
        room -= _PACE + 1 if pace else 0
        return cls(title, pace, min(room - 1, WIDEST_BAR) if room > SHORTEST_BAR else 0)


class Bars:
    """The line on the terminal, gone when it is stopped."""

    def __init__(self, progress: _OverRun, title: str) -> None:
        self._progress = progress
        self._title = title
        self._task = progress.add_task(f"{title}Loading", total=None, unit="")

    def stage(self, name: str, total: int | None) -> None:
        """A stage of so many pieces begins."""
        label, unit = _STAGES.get(name, (name, ""))
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(f"{self._title}{label}", total=total, unit=unit)

    def advance(self, n: int) -> None:
        """So many more pieces are done."""
        self._progress.advance(self._task, n)

    def tell(self, run: str) -> None:
        """How far the whole run is, on the line below."""
        self._progress.run = run

    def stop(self) -> None:
        """Removes the line, so that the answer can be written."""
        self._progress.stop()


class _OverRun(Progress):
    """The line of a stage, and under it that of the whole run where there is one."""

    run = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.run:
            yield Text(self.run, style="dim", no_wrap=True, overflow="crop")


@contextmanager
def bars(title: str, run: str = "") -> Iterator[Bars]:
    """A line on stderr while the block runs; `title` stands before each stage, and `run` below."""
    console = stderr_console()
    layout = Layout.of(console.width, len(title))
    begin = f"{escape(shortened(title, layout.title))}  " if layout.title else ""
    # stdout is the answer's alone: rich must not pass it through the display.
    with _OverRun(
        *_columns(console, layout), console=console, transient=True, redirect_stdout=False
    ) as progress:
        progress.run = run
        yield Bars(progress, begin)


def pace(speed: float | None, left_s: float | None, unit: str) -> str:
    """How fast a stage goes, in pieces a second, and how long it still takes, as far as that is known.

    pace(3.04, 29.6, "frames") == "3.0 frames/s, 0:30 left"
    """
    if not speed:
        return ""
    said = f"{speed:.1f} {unit}/s" if speed < 100 else f"{speed:.0f} {unit}/s"
    if left_s is None:
        return said
    return f"{said}, {clock(left_s)} left"


def shortened(title: str, width: int) -> str:
    """One line of `title`, from its end, which tells more of a path than its beginning.

    shortened("a/long/way/to.mp4", 10) == ".../to.mp4"
    """
    title = one_line(visible(title))
    return title if len(title) <= width else f"...{title[len(title) - max(width - 3, 0) :]}"


def _columns(console: Console, layout: Layout) -> list[ProgressColumn]:
    cut = Column(no_wrap=True, overflow="crop")
    spinner = SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")
    columns: list[ProgressColumn] = [spinner, TextColumn("{task.description}", table_column=cut)]
    if layout.bar:
        columns.append(BarColumn(bar_width=layout.bar))
    columns.append(_Count(table_column=cut))
    if layout.pace:
        columns.append(_Pace(table_column=cut))
    return columns


class _Count(ProgressColumn):
    """12/60, where a stage has pieces."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")


class _Pace(ProgressColumn):
    max_refresh = 0.5  # digits that change faster cannot be read

    def render(self, task: Task) -> Text:
        left = None if task.total is None or task.finished else task.time_remaining
        return Text(pace(task.speed, left, task.fields["unit"]), style="dim")
