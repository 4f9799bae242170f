"""How much memory a run takes, stage by stage, from a network's sizes alone.

Each stage frees what it worked with before the next begins, so a run's peak is the weights, what is kept
beside them, and the most that one stage works with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.cce.spatial_prototypes import CHUNK
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import QFORMER_PATCHES
from dynfocus_cli.network.skeleton import parameter_shapes, quantized_layers
from dynfocus_cli.quantization import BLOCK, Quantization, stored_bytes

LARGEST_BATCH = 32
"""Frames that are decoded and encoded at a time where memory allows."""


@dataclass(frozen=True, slots=True)
class RunShape:
    """What the memory of a run depends on beside the network."""

    frames: int
    """T."""
    video_tokens: int
    """40 K + 2 (T - K)."""
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
    """Every frame is looked at in full, and once."""


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


class Memory(Protocol):
    """What a model takes, whichever network it is."""

    @property
    def weights(self) -> int:
        """Bytes of all weights."""

    @property
    def tower(self) -> int:
        """Bytes of the vision encoder's."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""

    def need(self, shape: RunShape, *, tower_away: bool = False) -> MemoryNeed:
        """What a run of this shape takes; with `tower_away` the vision encoder's weights make way for what
        comes after encoding."""


class MemoryModel:
    """Predicts `MemoryNeed` for one network, quantization, dtype and kind of device.

    `weights` are the bytes of all weights, `tower` those of the vision encoder's.

    Multiples of a layer's width count what is alive at once in transformers' and bitsandbytes' code;
    `benchmarks/memory.py` compares the sums with what runs take.
    """

    def __init__(
        self, config: DynFocusConfig, quantization: Quantization, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.config = config
        self.quantization = quantization
        self.size = dtype.itemsize
        self.device = device.type
        layers = quantized_layers(config)
        shapes = parameter_shapes(config)
        stored = {name: self._stored(shape, name in layers) for name, shape in shapes.items()}
        self.weights = sum(stored.values())
        self.tower = sum(size for name, size in stored.items() if name.startswith("vision."))
        self._quantized = sum(math.prod(shapes[name]) for name in layers)

    def _stored(self, shape: tuple[int, ...], quantized: bool) -> int:
        if quantized and self.quantization != "none":
            return stored_bytes(shape, self.quantization)
        return math.prod(shape) * self.size

    def need(self, shape: RunShape, *, tower_away: bool = False) -> MemoryNeed:
        """What a run of this shape takes; with `tower_away` the vision encoder's weights make way for what
        comes after encoding."""
        features = self._features(shape.frames)
        batch = self._batch(min(shape.batch, shape.frames))
        # On a CPU features stay where they are made; to be cached they are written out, which copies twice.
        encode = features + max(batch, 2 * features) if self.device == "cpu" else batch
        freed = self.tower if tower_away else 0
        return MemoryNeed(
            weights=self.weights,
            encode=encode,
            select=max(0, features + self._select(shape) - freed),
            answer=max(0, features + self._answer(shape.video_tokens + shape.text_tokens) - freed),
        )

    @property
    def _rows(self) -> int:
        """Features a frame, and the class token where it is kept."""
        return self.config.patches + self.config.class_token

    def _features(self, frames: int) -> int:
        return frames * self._rows * self.config.vision_config.hidden_size * self.size

    def _batch(self, frames: int) -> int:
        vision, side = self.config.vision_config, self.config.image_size
        pixels = frames * 3 * side**2 * (4 + self.size)
        layer = 4 * vision.hidden_size + 2 * vision.intermediate_size
        return pixels + frames * (self.config.patches + 1) * layer * self.size

    def _select(self, shape: RunShape) -> int:
        """The prototypes and queries of all frames, and the larger of S-DPC's and the Q-Former's steps."""
        config = self.config
        width, words = config.vision_config.hidden_size, config.text_config.hidden_size
        asked, patches = config.qformer_config.hidden_size, config.patches
        queries = shape.frames * config.num_query_tokens
        points = patches if config.rod_source == "patches" else sum(config.spatial_prototypes)
        kept = shape.frames * sum(config.spatial_prototypes) * width + queries * (asked + width)
        clustered = CHUNK * patches * (4 * width + 6 * patches) * 4
        read = max(1, QFORMER_PATCHES // self._rows) * self._rows * (3 * width + 3 * asked) * self.size
        attended = 2 * queries * points * 4
        written = shape.video_tokens * (2 * width + 4 * words) * self.size
        return kept * self.size + max(clustered, read, attended) + written

    def _answer(self, tokens: int) -> int:
        words = self.config.text_config
        width, inner = words.hidden_size, words.intermediate_size
        key_width = (words.num_key_value_heads or words.num_attention_heads) * (
            words.head_dim or width // words.num_attention_heads
        )
        cache = 2 * words.num_hidden_layers * tokens * key_width * self.size
        layer = tokens * 3 * (width + inner) * self.size
        logits = 2 * words.vocab_size * 4
        return cache + layer + logits + self._quantized_layer(tokens, width, inner)

    def _quantized_layer(self, tokens: int, width: int, inner: int) -> int:
        """What multiplying by a quantized layer takes beside its result; one is at work at a time."""
        if self.quantization == "nf4":
            # Its weights in full; on a CPU all scales too, in 2 bytes each once they are ordered.
            scales = self._quantized // BLOCK if self.device == "cpu" else 0
            return width * inner * self.size + scales
        if self.quantization == "int8":
            # Products in int32, and what scales them: on a CPU each step's result is a float32 of its own.
            return (20 if self.device == "cpu" else 8) * tokens * inner
        return 0


@dataclass(frozen=True, slots=True)
class Room:
    """What fits beside the weights."""

    frames: int
    video_tokens: int
    batch: int
    limit: int
    """Of the video's tokens and the text around its frames together."""

    def holds_less_than(self, other: Room) -> bool:
        """Whether it shows less of the video, by frames or by tokens."""
        return self.frames < other.frames or self.video_tokens < other.video_tokens


def find_room(
    model: Memory, wanted: RunShape, free: int, price: FramePrice, *, tower_away: bool = False
) -> Room | None:
    """The most of `wanted` that `free` bytes hold beside the weights.

    A smaller batch costs time alone, so it comes first; then key frames, down to one, and then frames.

    Args:
        free: bytes beside the weights.
        price: what frames cost in video tokens.
        tower_away: as `MemoryModel.need` takes it; on a CPU there is nowhere else to be.

    Returns None where not even one frame fits.
    """
    if tower_away and model.device == "cpu":
        return None

    planned = price.timestamp_tokens(wanted.frames, wanted.key_frames)
    thin = price.thinnest

    def around(frames: int, video_tokens: int) -> int:
        """Text around as many key frames as the tokens can hold, and around the others."""
        more = thin.key - thin.other
        key_frames = 1 + max(0, video_tokens - thin.total(frames, 1)) // more if more > 0 else frames
        return min(planned, price.timestamp_tokens(frames, min(key_frames, wanted.key_frames, frames)))

    def fits(frames: int, video_tokens: int, batch: int = 1) -> bool:
        text = wanted.text_tokens - planned + around(frames, video_tokens)
        shape = replace(wanted, frames=frames, video_tokens=video_tokens, text_tokens=text, batch=batch)
        return model.need(shape, tower_away=tower_away).beside <= free

    frames = _most(wanted.frames, lambda n: fits(n, price.total(n, 1)))
    if frames == 0:
        return None
    least = min(price.total(frames, 1), wanted.video_tokens)
    tokens = least + _most(wanted.video_tokens - least, lambda n: fits(frames, least + n))
    batch = wanted.batch
    while batch > 1 and not fits(frames, tokens, batch):
        batch //= 2
    return Room(frames, tokens, batch, tokens + around(frames, tokens))


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to `limit` that fits, or 0; what fits for a number fits for a smaller one."""
    if limit > 0 and fits(limit):
        return limit
    fewest, most = 0, limit
    while fewest < most:
        middle = (fewest + most + 1) // 2
        if fits(middle):
            fewest = middle
        else:
            most = middle - 1
    return fewest
