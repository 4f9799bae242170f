"""Frames in their own shape: the size that Qwen-VL models take them in, and their patches."""

from __future__ import annotations

import math

from torch import Tensor


def fitting_size(
    height: int, width: int, *, factor: int, least: int, most: int, frames: int = 1, counted: int = 1
) -> tuple[int, int]:
    """Height and width as multiples of `factor`, near their shape, with `least` to `most` pixels in all.

    transformers, `smart_resize` of Qwen2-VL and of Qwen3-VL.

    Args:
        frames: how many share the pixels.
        counted: how many the first comparison takes there to be, after rounding to pairs.
    """
    high, wide = (max(factor, round(side / factor) * factor) for side in (height, width))
    if counted * high * wide > most:
        shrink = math.sqrt(frames * height * width / most)
        high, wide = (max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width))
    elif counted * high * wide < least:
        grow = math.sqrt(least / (frames * height * width))
        high, wide = (math.ceil(side * grow / factor) * factor for side in (height, width))
    return high, wide


def patchify(frames: Tensor, patch: int, merge: int) -> Tensor:
    """Patches in the order in which they are later merged: `merge` x `merge` neighbours together.

    Shape:
        frames: (U, t, C, H, W), t frames that are encoded as one.
        returns: (U * H / patch * W / patch, C * t * patch * patch).
    """
    units, times, channels, height, width = frames.shape
    rows, columns = height // patch // merge, width // patch // merge
    cut = frames.reshape(units, times, channels, rows, merge, patch, columns, merge, patch)
    ordered = cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)  # (U, rows, columns, merge, merge, C, t, patch, patch)
    return ordered.reshape(units * rows * columns * merge**2, channels * times * patch**2)
