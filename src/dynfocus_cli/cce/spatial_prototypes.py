"""S-DPC: a frame's many patches as a few spatial prototypes, fine and coarse."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from dynfocus_cli.dpe.density_peaks import DensityRule, cluster, cluster_means, patch_precision

CHUNK = 8
"""Frames that are clustered at a time."""


@dataclass(frozen=True, slots=True)
class SpatialPrototypes:
    """The prototypes of some frames, all levels of them."""

    tokens: Tensor
    """(T, G, D_v), G the sum over the levels."""
    group: Tensor
    """(T, G) int64: which of the coarsest level's prototypes each one belongs to."""
    coarse: Tensor
    """(T, c, D_v): the coarsest level alone."""


def spatial_prototypes(
    patches: Tensor,
    counts: tuple[int, ...] = (16, 6),
    neighbours: tuple[int, ...] = (8, 3),
    rule: DensityRule = "paper",
    chunk: int = CHUNK,
) -> SpatialPrototypes:
    """Cluster each frame's patches to 16 means, those to 6, and return all 22.

    By the paper's rule the fine ones come first, and within a level prototypes stand in the order of their
    centre patches, row by row. By the release's rule each coarse one is followed by its members, in
    descending rank. Frames do not see each other: a chunk of frames goes at a time, so that memory stays
    bounded whatever T.

    Shape:
        patches: (T, N, D_v).
        counts: prototypes a level; neighbours: the density's, a level.
        chunk: frames a step; its N x N distances and centred features are what memory holds.

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
        frames, width, total = 0, patches.shape[2], sum(counts)
        return SpatialPrototypes(
            patches.new_zeros(frames, total, width),
            torch.zeros(frames, total, dtype=torch.int64, device=patches.device),
            patches.new_zeros(frames, counts[-1], width),
        )
    parts = [_levels(frames, counts, neighbours, rule) for frames in patches.split(chunk)]
    tokens, group, coarse = (torch.cat(each) for each in zip(*parts, strict=True))
    return SpatialPrototypes(tokens, group, coarse)


def _levels(
    points: Tensor, counts: tuple[int, ...], neighbours: tuple[int, ...], rule: DensityRule
) -> tuple[Tensor, Tensor, Tensor]:
    """(T, N, D_v) -> tokens, group and coarse of `SpatialPrototypes`, for one chunk of frames."""
    precision = patch_precision(points.device)
    levels: list[Tensor] = []
    groups: list[Tensor] = []  # each level's members' clusters, as the coarsest level numbers them
    for count, nearest in zip(counts, neighbours, strict=True):
        clusters = cluster(points, count, nearest, rule=rule, precision=precision)
        points = cluster_means(points, clusters.assignment, count)  # (T, count, D_v)
        groups = [clusters.assignment.gather(1, group) for group in groups]
        if levels:
            groups.append(clusters.assignment)
        levels.append(points)
    itself = torch.arange(counts[-1], device=points.device).expand(points.shape[0], -1)
    groups.append(itself)
    if rule == "paper":
        return torch.cat(levels, dim=1), torch.cat(groups, dim=1), points
    # DynFocus release, Merger: for v = 0 ... 5 the coarse token v, then its members by index.
    tokens, group = torch.cat(levels[::-1], dim=1), torch.cat(groups[::-1], dim=1)  # coarse ones first
    order = group.argsort(dim=1, stable=True)  # (T, G)
    return tokens.gather(1, order.unsqueeze(-1).expand_as(tokens)), group.gather(1, order), points


class PrototypeGate(nn.Module):
    """Weighs each coarse prototype, and its members with it, by a softmax over the coarse ones."""

    # DynFocus release, merge.score; the paper has none.
    def __init__(self, coarse: int) -> None:
        super().__init__()
        self.score = nn.Linear(coarse, coarse)

    def forward(self, prototypes: SpatialPrototypes) -> Tensor:
        """The prototypes' tokens, weighted: (T, G, D_v)."""
        weights = self.score(prototypes.coarse.mean(dim=-1)).softmax(dim=-1)  # (T, c)
        return prototypes.tokens * weights.gather(1, prototypes.group).unsqueeze(-1)
