"""What `dynfocus doctor` looks at: each check is one finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "fix"]

ODD = 1
"""Exit code where dynfocus itself, or a package, is not whole."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found, and what is to be done about it."""

    name: str
    state: State
    """`note` where dynfocus can answer, if not in every way."""
    said: str
    todo: str = ""
    code: int = 0
    """What a command would exit with; 0 unless the state is `fix`."""
