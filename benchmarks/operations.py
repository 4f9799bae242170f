"""Floating-point operations of a Qwen3-VL: counted while it runs, and from its sizes alone.

A product and a sum are two operations. Matrix products, convolutions and attention's two products count; a
causal attention half of its square, which is what is needed of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from wide_qwen3_vl import Shape

PIXELS_A_PATCH = 3 * 2 * 16**2
"""Numbers that the vision encoder reads of a patch: of two frames."""


def of_vision(shape: Shape, looks: Iterable[tuple[int, int]]) -> int:
    """Operations between pixels and tokens.

    Args:
        looks: how many units (a frame, or a pair that is encoded as one) of how many patches each.
    """
    width, inner = shape.vision_width, shape.vision_inner
    layer = 2 * (4 * width**2 + 2 * width * inner)
    merger = 2 * ((4 * width) ** 2 + 4 * width * shape.width)
    return sum(
        units
        * patches
        * (
            2 * PIXELS_A_PATCH * width
            + shape.vision_layers * (layer + 4 * patches * width)
            + (1 + shape.deepstack) * merger // 4
        )
        for units, patches in looks
    )


def of_prefill(shape: Shape, tokens: int) -> int:
    """Operations of the language model's layers until they have read so many tokens."""
    inside, shared = shape.heads * shape.head, shape.key_value_heads * shape.head
    layer = 2 * (shape.width * (2 * inside + 2 * shared) + 3 * shape.width * shape.inner)
    return shape.layers * tokens * (layer + 2 * tokens * inside)


class OperationCounter:
    """What a network does in its vision encoder, and in its language model's first reading."""

    def __init__(self, network: Any) -> None:
        self.vision = 0
        self.prefill = 0
        self.tokens = 0
        """That the language model read at first."""
        self.video_tokens = 0
        """Those of them that came from the vision encoder."""
        self._reading: str | None = None
        parts = {"vision": network.model.visual, "prefill": network.model.language_model}
        for name, part in parts.items():
            part.register_forward_pre_hook(self._enters(name), with_kwargs=True)
            part.register_forward_hook(self._leaves)
            for module in part.modules():
                if isinstance(module, nn.Linear | nn.Conv3d):
                    module.register_forward_hook(self._multiplied)
        self._attention = F.scaled_dot_product_attention
        F.scaled_dot_product_attention = self._attended

    def _enters(self, part: str) -> Any:
        def hook(module: nn.Module, given: Any, named: dict[str, Any]) -> None:
            if part == "prefill" and self.tokens:
                return  # the answer's own tokens
            self._reading = part
            if part == "prefill":
                self.tokens = named["inputs_embeds"].shape[1]
                self.video_tokens = int(named["visual_pos_masks"].sum())

        return hook

    def _leaves(self, module: nn.Module, given: Any, result: Any) -> None:
        self._reading = None

    def _multiplied(self, module: Any, given: Any, result: Tensor) -> None:
        self._add(2 * result.numel() * module.weight[0].numel())

    def _attended(self, query: Tensor, key: Tensor, *others: Any, **named: Any) -> Tensor:
        pairs = query.shape[-2] * key.shape[-2]
        operations = 4 * query[..., 0, :].numel() * pairs
        self._add(operations // 2 if named.get("is_causal") else operations)
        return self._attention(query, key, *others, **named)

    def _add(self, operations: int) -> None:
        if self._reading is not None:
            setattr(self, self._reading, getattr(self, self._reading) + operations)


def of_looks(family: Any, source: Any, frames: int, key_frames: int | None) -> list[tuple[int, int]]:
    """Units and patches of each look: the makers' way (`key_frames` None), frame by pair; ours, a glance at
    every frame and a close look at the key frames."""
    if key_frames is None:
        return [(frames // family.together, family.patches(family.scaling(source, frames)))]
    glance = family.patches(family.glance(source))
    return [(frames, glance), (key_frames, family.patches(family.scaling(source, 1)))]
