"""How long work reports its progress; the command line draws it, a library's caller may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives each stage as it begins, and each piece of it that is done."""

    def stage(self, name: str, total: int | None) -> None:
        """A stage begins: `encode`, `select` or `generate`, of `total` pieces if that is known."""

    def advance(self, n: int) -> None:
        """`n` more pieces of the current stage are done."""

    def notice(self, line: str) -> None:
        """A line that must stand above the answer."""

    def write(self, text: str) -> None:
        """More of the answer's text, as the language model writes it; joined, the pieces are the answer. A
        stage that begins in between (memory ran out) says that the answer begins anew."""


class Silent:
    """A `Progress` that shows nothing."""

    def stage(self, name: str, total: int | None) -> None: ...
    def advance(self, n: int) -> None: ...
    def notice(self, line: str) -> None: ...
    def write(self, text: str) -> None: ...
