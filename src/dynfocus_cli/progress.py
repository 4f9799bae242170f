"""How long work reports on itself; the command line draws it, the library may leave it out."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of each stage as it begins, and of each piece of it that is done."""

    def stage(self, name: str, total: int | None) -> None:
        """A stage begins: `encode`, `select` or `generate`, of `total` pieces if that is known."""

    def advance(self, n: int) -> None:
        """`n` more pieces of the current stage are done."""

    def notice(self, line: str) -> None:
        """What must stand above the answer."""

    def write(self, text: str) -> None:
        """More of the answer's text, as the language model writes it; joined, the pieces are the answer. A
        stage that begins in between (memory ran out) says that the answer begins anew."""


class Silent:
    """A `Progress` that nobody sees."""

    def stage(self, name: str, total: int | None) -> None:
        """Not shown."""

    def advance(self, n: int) -> None:
        """Not shown."""

    def notice(self, line: str) -> None:
        """Not shown."""

    def write(self, text: str) -> None:
        """Not shown."""
