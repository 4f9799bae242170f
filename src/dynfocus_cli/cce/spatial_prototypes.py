"""S-DPC: a frame's many patches as a few spatial prototypes, fine and coarse."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from dynfocus_cli.dpe.density_peaks import cluster, cluster_means


def spatial_prototypes(
    patches: Tensor,
    counts: tuple[int, ...] = (16, 6),
    neighbours: tuple[int, ...] = (8, 3),
    chunk: int = 16,
) -> Tensor:
    """Cluster each frame's patches to 16 means, those to 6, and return all 22, the fine ones first.

    Within a level the prototypes stand in the order of their centre patches, row by row. Frames do not see
    each other: a chunk of frames goes at a time, so that memory stays bounded whatever T.

    Shape:
        patches: (T, N, D_v).
        counts: prototypes a level; neighbours: the density's, a level.
        chunk: frames a step; its N x N distances and float64 features are what memory holds.
        returns: (T, G, D_v) with G = sum(counts).

    Raises:
        ValueError: fewer patches than prototypes, a level larger than the one before, levels of `counts` and
            `neighbours` that differ in number, or `chunk` below 1.
    """
    available = patches.shape[1]
    if len(counts) != len(neighbours) or not counts:
        raise ValueError(f"each level needs its count and its neighbours, got {counts = } {neighbours = }")
    if any(before < after for before, after in pairwise((available, *counts))):
        raise ValueError(
            f"a level cannot hold more prototypes than its points: {available} patches, {counts = }"
        )
    if chunk < 1:
        raise ValueError(f"at least 1 frame a step is needed, got {chunk = }")
    # `split` gives one empty chunk for T = 0, and that one has no points to cluster.
    if patches.shape[0] == 0:
        return patches.new_zeros(0, sum(counts), patches.shape[2])
    return torch.cat([_levels(frames, counts, neighbours) for frames in patches.split(chunk)])


def _levels(points: Tensor, counts: tuple[int, ...], neighbours: tuple[int, ...]) -> Tensor:
    """(T, N, D_v) -> (T, G, D_v) for one chunk of frames."""
    levels: list[Tensor] = []
    for count, nearest in zip(counts, neighbours, strict=True):
        clusters = cluster(points, count, nearest)
        points = cluster_means(points, clusters.assignment, count)  # (T, count, D_v)
        levels.append(points)
    return torch.cat(levels, dim=1)  # (T, G, D_v)
