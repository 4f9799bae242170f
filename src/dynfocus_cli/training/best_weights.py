"""The best weights of a run so far, with the score that makes them the best."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from dynfocus_cli.files import atomic_file
from dynfocus_cli.training.run_checkpoints import trained_state
from dynfocus_cli.training.validation import Score

BEST = "best.safetensors"


def best_score(folder: Path) -> tuple[int, Score] | None:
    """Step and score of the weights that `keep_best` wrote into a run's folder; None without them."""
    try:
        with safe_open(folder / BEST, "pt") as file:
            record = json.loads(file.metadata()["score"])
    except (OSError, SafetensorError):
        return None
    return record.pop("step"), Score(**record)


def keep_best(folder: Path, model: nn.Module, step: int, score: Score) -> None:
    """Writes the trained weights, whole or not at all. Raises OSError or SafetensorError."""
    with atomic_file(folder / BEST) as unfinished:
        save_file(trained_state(model), unfinished, {"score": json.dumps(asdict(score) | {"step": step})})
