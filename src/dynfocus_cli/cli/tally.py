"""How far a run of several results is, and the warnings that several of them share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil

from dynfocus_cli.cli.errors import say

LONGEST_REMINDER = 60
"""Characters of a warning that are repeated with its count."""


@dataclass(slots=True)
class Tally:
    """Results made so far, of how many, and how long the rest will take."""

    total: int | None = None
    """None where the list is still coming."""
    done: int = 0
    """Failures and those that an earlier run had made among them."""
    failed: int = 0
    loading_s: float = 0.0
    """What it took to load the model."""
    _made: int = 0
    _start_s: float = field(default_factory=time.monotonic)

    @property
    def is_first(self) -> bool:
        """Whether the result made last was the first."""
        return self._made == 1

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The block loads the model; the time of a result counts from its end."""
        self._start_s = time.monotonic()
        yield
        self.loading_s = time.monotonic() - self._start_s
        self._start_s += self.loading_s

    def passed_over(self, *, failed: bool) -> None:
        """Counts a result that was there before."""
        self.done += 1
        self.failed += failed

    def made(self, *, failed: bool) -> None:
        """Counts a result of this run."""
        self.passed_over(failed=failed)
        self._made += 1

    def line(self) -> str:
        """3/11 done, 1 failed, 4:10 left."""
        parts = [f"{self.done} done" if self.total is None else f"{self.done}/{self.total} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.total is not None and self._made:
            each_s = (time.monotonic() - self._start_s) / self._made
            parts.append(f"{clock(each_s * (self.total - self.done))} left")
        return ", ".join(parts)


class Warnings:
    """The warnings of a run: one that several results share is said with the first, and counted."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def say(self, warning: str, where: str = "") -> None:
        """One line on stderr, unless it was said before; `where` tells its result from others."""
        warning = " ".join(warning.split())
        self._counts[warning] = self._counts.get(warning, 0) + 1
        if self._counts[warning] == 1:
            say(f"Warning: {where}: {warning}" if where else f"Warning: {warning}")

    def conclude(self, results: str) -> None:
        """Says how many results share a warning; `results` is what they are called."""
        for warning, count in self._counts.items():
            if count > 1:
                if len(warning) > LONGEST_REMINDER:
                    warning = warning[: LONGEST_REMINDER - 3].rpartition(" ")[0].rstrip(",;:") + " ..."
                say(f"Warning for {count} {results}, as above: {warning}")


def clock(seconds: float) -> str:
    """A duration, rounded up: 29.6 -> 0:30, 3722 -> 1:02:02."""
    minutes, seconds = divmod(ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
