"""A network without weights: its parameters' names and shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel


class _NothingDrawn(TorchFunctionMode):
    """Leaves out what fresh weights are filled with: drawn on the device `meta`, normally distributed numbers
    of none at all make torch import half of its compiler, for more than a second."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(function, "__module__", None) == torch.nn.init.__name__:
            return (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def skeleton(config: DynFocusConfig) -> DynFocusModel:
    """The network on the device `meta`: shapes without memory."""
    with torch.device("meta"), _NothingDrawn():
        return DynFocusModel(config)


def parameter_shapes(config: DynFocusConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a model folder stores; tied ones are stored once."""
    return {name: tuple(tensor.shape) for name, tensor in skeleton(config).stored().items()}


def quantized_layers(config: DynFocusConfig) -> frozenset[str]:
    """The weights that quantization is for: the language model's linear layers, all but the output's."""
    decoder = skeleton(config).language_model.model
    return frozenset(
        f"language_model.model.{name}.weight"
        for name, module in decoder.named_modules()
        if isinstance(module, torch.nn.Linear)
    )
