"""What came of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.training.example_items import Problem
from dynfocus_cli.training.validation import Score


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The outcome of a training."""

    folder: Path
    steps: int
    best_step: int
    """The step that the weights are of."""
    before: Score | None
    after: Score | None
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def better(self) -> bool:
        """Whether the model is known to answer better than before."""
        return self.before is not None and self.after is not None and self.after.rank > self.before.rank
