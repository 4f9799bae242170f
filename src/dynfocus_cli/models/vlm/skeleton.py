"""The names and shapes of a public model's parameters, without its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForImageTextToText


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The parameters of a network that is not loaded."""

    shapes: dict[str, tuple[int, ...]]
    """Of every tensor that is stored, by its name in the network; tied ones once."""
    quantizable: frozenset[str]
    """The language model's linear layers, all but the output's."""
    kept: tuple[str, ...]
    """Modules that quantization leaves alone."""


def skeleton(config: Any, vision: Sequence[str]) -> Skeleton:
    """
    Args:
        config: transformers' own of the model.
        vision: the modules between pixels and tokens.
    """
    with torch.device("meta"):
        network: Any = AutoModelForImageTextToText.from_config(config)
    tied = set(network.all_tied_weights_keys)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if name not in tied}
    kept = (*vision, "lm_head")
    layers = frozenset(
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.startswith(kept)
    )
    return Skeleton(shapes, layers, kept)
