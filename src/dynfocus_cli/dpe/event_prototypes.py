"""From patch features to one prototype an event."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor

from dynfocus_cli.dpe.density_peaks import cluster_means


def pool_grid(patches: Tensor, side: int = 4) -> Tensor:
    """Average pooling of each frame's square grid of patches to `side` x `side`, row by row.

    Example: N = 16 patches, side = 2

        a a b b
        a a b b     ->   mean(a) mean(b) mean(c) mean(d)
        c c d d
        c c d d

    Shape:
        patches: (T, N, D_v).
        returns: (T, side * side, D_v).

    Raises:
        ValueError: N is not a square, or its side is no multiple of `side`. (The release drops the border
            rows there without a word.)
    """
    # DynFocus release, compress_spatial_features.
    frames, count, width = patches.shape
    grid = isqrt(count)
    if grid * grid != count:
        raise ValueError(f"pooling needs a square grid of patches, got {count} patches a frame")
    if side < 1 or count == 0 or grid % side:
        raise ValueError(f"a {grid} x {grid} grid of patches cannot be pooled evenly to {side} x {side}")
    block = grid // side
    blocks = patches.reshape(frames, side, block, side, block, width)  # (T, row, y, column, x, D_v)
    # One dimension after the other: over both at once torch takes three times as long.
    pooled = blocks.mean(dim=2, dtype=torch.promote_types(patches.dtype, torch.float32)).mean(dim=3)
    return pooled.to(patches.dtype).reshape(frames, side * side, width)  # (T, P, D_v)


def event_prototypes(pooled: Tensor, assignment: Tensor, events: int) -> Tensor:
    """The mean of each event's frames; differentiable in `pooled`.

    Shape:
        pooled: (..., T, P, D_v).
        assignment: (..., T) int64, each frame's event, 0 to events - 1.
        returns: (..., L, P, D_v) with L = events; zeros for an event without frames.
    """
    # DynFocus, DPE: m_l = mean of f_t over the frames of event l.
    means = cluster_means(pooled.flatten(-2), assignment, events)  # (..., L, P * D_v)
    return means.unflatten(-1, pooled.shape[-2:])  # (..., L, P, D_v)
