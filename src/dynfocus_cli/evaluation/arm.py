"""Arms: the ways that a run compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dynfocus_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Arm:
    """A way of doing what a benchmark asks for."""

    name: str
    """As the command line calls it."""
    title: str
    """As sentences call it."""


AnArm = TypeVar("AnArm", bound=Arm)


def chosen(
    arms: Mapping[str, AnArm],
    problems: Mapping[str, str | None],
    names: Sequence[str] | None,
    model: str,
    default: Sequence[str],
) -> tuple[AnArm, ...]:
    """The arms of these names, each once, or the default ones as far as the model can do them.

    Args:
        problems: why the model cannot do an arm, as a clause; None where it can.

    Raises:
        UsageError: there is no such arm, or the model cannot do it.
    """
    possible = [name for name in arms if problems[name] is None]
    if names is None:
        return tuple(arms[name] for name in default if name in possible)
    if not names:
        raise UsageError(f"`arms` names no arm: {model} can do {', '.join(possible)}.")
    for name in names:
        if name not in arms:
            raise UsageError(f"There is no arm {name!r}: {model} can do {', '.join(possible)}.")
        if problems[name] is not None:
            raise UsageError(
                f"{model} cannot do the arm {name} ({problems[name]}): it can do {', '.join(possible)}."
            )
    return tuple(arms[name] for name in dict.fromkeys(names))
