"""Functions that the network's three transformers share."""

from __future__ import annotations

from torch import Tensor, nn


def split_heads(x: Tensor, width: int) -> Tensor:
    """(B, S, H * width) -> (B, H, S, width)."""
    return x.unflatten(-1, (-1, width)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, S, width) -> (B, S, H * width)."""
    return x.transpose(1, 2).flatten(2)


def initialise(network: nn.Module, std: float) -> None:
    """Draws matrices and word vectors of a fresh network from a normal distribution; biases and the vector of
    the padding are 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
