"""The memory that a model's weights take, by how its language model is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from dynfocus_cli.types import Quantization

QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)

BYTES_A_WEIGHT = {"none": 2.0, "int8": 1.0, "nf4": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Of the language model's layers: 16 bits, 8, and 4 with a scale for 64 weights; see `quantization.py`."""

RUN_BYTES = 2_000_000_000
"""Room for frames on their way through, the prompt's keys and values, and the libraries themselves."""
RUN_SHARE = 0.1
"""And this share of the weights: larger models also have larger activations."""

_CARDS = (4, 6, 8, 12, 16, 24, 32, 48, 80)
"""Memory of GPUs as they are sold, in GiB."""
_CARD_SHARE = 0.92
"""Of a card's memory, what is free while a desktop runs on it."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A model's parameters, by which its memory is worked out."""

    parameters: int
    """Of the whole model."""
    layers: int
    """Parameters in the linear layers of its language model, which are quantized; all others have 16 bits."""

    def weights(self, kind: Quantization) -> int:
        """Bytes of the weights."""
        return int(2 * (self.parameters - self.layers) + BYTES_A_WEIGHT[kind] * self.layers)

    def by_quantization(self) -> dict[Quantization, int]:
        """Bytes of the weights in each."""
        return {kind: self.weights(kind) for kind in QUANTIZATIONS}

    def room(self, kind: Quantization) -> int:
        """Bytes that must be free for a run that need not save."""
        return with_head_room(self.weights(kind))

    def needs(self) -> str:
        """The machine that the model needs, in words."""
        plain, least = _card(self.room("none")), _card(self.room("nf4"))
        needs = f"a CUDA GPU with {plain} GB" + (f", or {least} GB in NF4" if least < plain else "")
        if self.parameters <= SMALL:
            needs += f"; or any CPU with {-(-self.room('none') // 10**9)} GB of free memory"
        return needs


SMALL = 1_000_000_000
"""Parameters up to which a CPU answers in reasonable time."""


def with_head_room(weights: int) -> int:
    """Bytes that must be free for a run of a model whose weights take `weights` bytes."""
    return int(weights * (1 + RUN_SHARE)) + RUN_BYTES


def _card(room: int) -> int:
    """GiB of the smallest common GPU on which so many bytes are free."""
    return next((size for size in _CARDS if size * 2**30 * _CARD_SHARE >= room), _CARDS[-1])
