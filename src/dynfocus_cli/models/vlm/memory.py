"""How much memory a stock model takes, from its sizes alone; `models/memory.py` has the paper's network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from dynfocus_cli.models.memory import MemoryNeed, RunShape
from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.scaling import FrameScaling
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.skeleton import Skeleton
from dynfocus_cli.quantization import BLOCK, Quantization, stored_bytes
from dynfocus_cli.types import VideoSource


@dataclass(frozen=True, slots=True)
class Looks:
    """The sizes in which frames are looked at."""

    first: FrameScaling
    """Of every frame."""
    detail: FrameScaling | None
    """Of the key frames once more; None: the first look is all."""


def looks(family: Family, shape: RunShape) -> Looks:
    """At a video of the shape's width and height."""
    source = VideoSource("", 1.0, shape.width, shape.height, 30.0, "", 0, False, 0, 0.0)
    if shape.stock:
        return Looks(family.scaling(source, max(1, shape.frames)), None)
    preview, whole = family.preview(source), family.scaling(source, 1)
    return Looks(whole, None) if preview is None else Looks(preview, whole)


class VlmMemory:
    """Predicts `MemoryNeed` for one model, quantization, dtype and kind of device.

    `weights` are the bytes of all weights, those of a selector among them; `tower` those between pixels and
    tokens.
    """

    def __init__(
        self,
        family: Family,
        skeleton: Skeleton,
        quantization: Quantization,
        dtype: torch.dtype,
        device: torch.device,
        selector: SelectorSpec | None = None,
    ) -> None:
        self._family = family
        self._selector = selector
        self._text: Any = family.config.get_text_config()
        self._quantization = quantization
        self._size = dtype.itemsize
        self.device = device.type
        layers = skeleton.quantizable if quantization != "none" else frozenset()
        stored = {
            name: stored_bytes(shape, quantization) if name in layers else math.prod(shape) * self._size
            for name, shape in skeleton.shapes.items()
        }
        self.weights = sum(stored.values()) + (0 if selector is None else selector.weights)
        self.tower = sum(size for name, size in stored.items() if name.startswith(family.vision))
        self._scales = sum(math.prod(skeleton.shapes[name]) for name in layers) // BLOCK

    def need(self, shape: RunShape, *, tower_away: bool = False) -> MemoryNeed:
        """What a run of this shape takes; with `tower_away` the vision encoder's weights make way for what
        comes after encoding."""
        family = self._family
        seen = looks(family, shape)
        first = shape.frames * family.kept(seen.first)
        kept = first * self._size
        batch = min(shape.batch, shape.frames)
        encode = family.patches(seen.first) * batch
        if seen.detail is not None:
            kept += shape.key_frames * family.kept(seen.detail) * self._size
            encode = max(encode, family.patches(seen.detail) * min(batch, max(1, shape.key_frames)))
        vision = family.vision_config()
        inner = getattr(vision, "intermediate_size", 4 * vision.hidden_size)
        working = encode * (4 * vision.hidden_size + 2 * inner + family.pixels_a_patch) * self._size
        if self._selector is not None:
            working = max(working, self._selector.working(batch))
        on_cpu = self.device == "cpu"
        freed = self.tower if tower_away else 0
        # In float32 for the clustering, two copies of them.
        select = (kept if on_cpu else 0) + 8 * first
        return MemoryNeed(
            weights=self.weights,
            encode=working + (3 * kept if on_cpu else 0),
            select=max(0, select - freed),
            answer=max(0, (kept if on_cpu else 0) + self._answer(shape) - freed),
        )

    def _answer(self, shape: RunShape) -> int:
        text, tokens = self._text, shape.video_tokens + shape.text_tokens
        width, inner = text.hidden_size, text.intermediate_size
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        head = getattr(text, "head_dim", None) or width // text.num_attention_heads
        cache = 2 * text.num_hidden_layers * tokens * heads * head * self._size
        layer = tokens * 3 * (width + inner) * self._size
        logits = 2 * text.vocab_size * 4
        widest = 0
        if self._quantization == "nf4":
            widest = width * inner * self._size + (self._scales if self.device == "cpu" else 0)
        elif self._quantization == "int8":
            widest = (20 if self.device == "cpu" else 8) * tokens * inner
        return cache + layer + logits + widest
