"""How much memory a run takes, stage by stage, from the sizes of a network alone.

Each stage frees what it worked with before the next begins, so a run's peak is the weights, the features that
are kept beside them, and the most that one stage works with. A subclass of `MemoryModel` says what is its
network's own: `models/dynfocus/memory.py` and `models/vlm/memory.py`.

Multiples of a layer's width count what is alive at once in transformers' and bitsandbytes' code;
`benchmarks/memory.py` compares the sums with what runs take.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dynfocus_cli.quantization import BLOCK, stored_bytes
from dynfocus_cli.types import Quantization

LARGEST_BATCH = 32
"""Frames that are decoded and encoded at a time where memory allows."""


@dataclass(frozen=True, slots=True)
class RunShape:
    """What the memory of a run depends on beside the network."""

    frames: int
    """T."""
    video_tokens: int
    text_tokens: int
    """Prompt and the longest answer."""
    batch: int = LARGEST_BATCH
    """Frames that are encoded at a time."""
    key_frames: int = 0
    """K."""
    width: int = 1920
    """Of the video, in pixels; only models that take frames in their own shape ask for it."""
    height: int = 1080
    stock: bool = False
    """Every frame is encoded once, in full, as the model's makers do."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes on the network's device."""

    weights: int
    encode: int
    """One batch of frames in the vision encoder; on a CPU the features of all frames too."""
    select: int
    """The features, and DPE and CCE at work on them."""
    answer: int
    """The features, the key-value cache, and the prompt's way through one layer."""

    @property
    def beside(self) -> int:
        """The most that any stage takes beside the weights."""
        return max(self.encode, self.select, self.answer)

    @property
    def peak(self) -> int:
        """The weights and the greediest stage."""
        return self.weights + self.beside


@dataclass(frozen=True, slots=True)
class StageBytes:
    """Bytes on the network's device that one kind of network takes before its language model reads."""

    encode: int
    """All that there is beside the weights while frames are encoded."""
    features: int
    """Of all frames, from the selection to the answer."""
    select: int
    """Beside the features, while key frames are chosen and tokens are made."""


class MemoryModel(ABC):
    """Predicts the `MemoryNeed` of one network in one quantization, dtype and kind of device."""

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        quantizable: Collection[str],
        vision: tuple[str, ...],
        text_config: Any,
        quantization: Quantization,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """
        Args:
            shapes: of every stored weight, by its name.
            quantizable: the weights that quantization is for.
            vision: what the names of the vision encoder's weights begin with.
            text_config: the language model's.
        """
        self.quantization = quantization
        self.size = dtype.itemsize
        """Bytes of a number."""
        self.device = device.type
        """`cpu` or `cuda`."""
        self.text_config = text_config
        few = quantizable if quantization != "none" else ()
        stored = {
            name: stored_bytes(shape, quantization) if name in few else math.prod(shape) * self.size
            for name, shape in shapes.items()
        }
        self.weights = sum(stored.values())
        """Bytes of all weights."""
        self.tower = sum(size for name, size in stored.items() if name.startswith(vision))
        """Bytes of the vision encoder's weights."""
        self._scales = sum(math.prod(shapes[name]) for name in quantizable) // BLOCK

    @abstractmethod
    def stages(self, shape: RunShape) -> StageBytes:
        """The bytes of each stage before the language model, for a run of this shape."""

    def need(self, shape: RunShape, *, tower_away: bool = False) -> MemoryNeed:
        """What a run of this shape takes; with `tower_away` the vision encoder's weights make way for what
        comes after encoding."""
        stages = self.stages(shape)
        held = stages.features - (self.tower if tower_away else 0)
        return MemoryNeed(
            weights=self.weights,
            encode=stages.encode,
            select=max(0, held + stages.select),
            answer=max(0, held + self._language_model(shape.video_tokens + shape.text_tokens)),
        )

    def _language_model(self, tokens: int) -> int:
        """The key-value cache, and all tokens in one layer."""
        words = self.text_config
        width, inner = words.hidden_size, words.intermediate_size
        heads = getattr(words, "num_key_value_heads", None) or words.num_attention_heads
        head = getattr(words, "head_dim", None) or width // words.num_attention_heads
        cache = 2 * words.num_hidden_layers * tokens * heads * head * self.size
        layer = tokens * 3 * (width + inner) * self.size
        logits = 2 * words.vocab_size * 4
        return cache + layer + logits + self._quantized_layer(tokens, width, inner)

    def _quantized_layer(self, tokens: int, width: int, inner: int) -> int:
        """What multiplying by a quantized layer takes beside its result; one is at work at a time."""
        if self.quantization == "nf4":
            # Its weights in full; on a CPU all scales too, in 2 bytes each once they are ordered.
            return width * inner * self.size + (self._scales if self.device == "cpu" else 0)
        if self.quantization == "int8":
            # Products in int32, and what scales them: on a CPU each step's result is a float32 of its own.
            return (20 if self.device == "cpu" else 8) * tokens * inner
        return 0


def encoder_bytes(vision_config: Any, patches: int, size: int) -> int:
    """What so many patches take in one layer of a vision encoder, in numbers of `size` bytes."""
    width = vision_config.hidden_size
    return int(patches * (4 * width + 2 * getattr(vision_config, "intermediate_size", 4 * width)) * size)


def pixel_bytes(frames: int, width: int, height: int, size: int) -> int:
    """What scaled frames take, as float32 and as the encoder's numbers of `size` bytes."""
    return frames * 3 * width * height * (4 + size)
