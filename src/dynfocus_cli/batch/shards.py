"""A run is divided into parts, for one process each."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dynfocus_cli.errors import UsageError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts that a run is divided into."""

    number: int = 1
    """From 1."""
    of: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """`3/16` as the third of 16; None as all of a run. Raises UsageError."""
        if text is None:
            return cls()
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"`shard` is R/W, the R-th of W parts from 1/W to W/W, got {text!r}.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def is_whole(self) -> bool:
        """Whether the run is not divided."""
        return self.of == 1

    def part(self, items: Iterable[Item], video_of: Callable[[Item], Hashable]) -> Iterator[Item]:
        """The items of every W-th video, in their order, as they are asked for.

            Shard(2, 3).part("abacdea", str)  ->  b, e       a, d: 1/3;  b, e: 2/3;  c: 3/3

        Videos are counted as they first come, so all parts must be given the same list. A video that comes
        again, or that several items are about, is in one part alone.
        """
        if self.is_whole:
            yield from items
            return
        own: dict[Hashable, bool] = {}
        for item in items:
            is_own = own.setdefault(video_of(item), len(own) % self.of == self.number - 1)
            if is_own:
                yield item
