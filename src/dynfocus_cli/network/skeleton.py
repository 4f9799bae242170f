"""A network without weights: its parameters' names and shapes, and what they weigh."""

from __future__ import annotations

import torch

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel


def parameter_shapes(config: DynFocusConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a model folder stores; tied ones are stored once."""
    with torch.device("meta"):
        network = DynFocusModel(config)
    tied = set(network.all_tied_weights_keys) if config.text_config.tie_word_embeddings else set()
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if name not in tied}


def quantized_layers(config: DynFocusConfig) -> frozenset[str]:
    """The weights that quantization is for: the language model's linear layers, all but the output's."""
    with torch.device("meta"):
        network = DynFocusModel(config)
    return frozenset(
        f"language_model.{name}.weight"
        for name, module in network.language_model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    )
