"""What a language model is asked that judges answers, and what is read from its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Grades = Mapping[str, float]
"""Name of a grade, such as `correctness`, -> its value on the benchmark's own scale."""


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A question to a judge about one prediction, or about several that are judged together."""

    items: tuple[str, ...]
    """Ids of the items whose predictions it is about: each of them gets the verdict's grades."""
    system: str
    """The system message."""
    user: str
    """The user's message, with the predictions in it."""
    read: Callable[[str], Grades | None]
    """The grades in a verdict; None where it has none that can be used."""


class NoReply(Exception):
    """The judge said nothing about one prompt, for the reason given."""
