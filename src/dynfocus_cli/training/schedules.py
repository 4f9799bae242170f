"""How the learning rate and the perturbed top-k's noise change in the course of a run."""

from __future__ import annotations

import math


def warm_cosine(step: int, steps: int, *, warmup: int, floor: float = 0.05) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


def annealed(first: float, last: float, step: int, steps: int) -> float:
    """The value at `step` of one that goes from `first` at step 0 to `last` at `steps`, linearly."""
    share = step / max(1, steps)
    return first * (1.0 - share) + last * share
