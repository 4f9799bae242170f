"""k-means over the frames of a video, as the DynFocus release has it in place of the paper's T-DPC."""

from __future__ import annotations

import torch
from torch import Tensor

from dynfocus_cli.dpe.density_peaks import Clusters, cluster_means

MOST_ITERATIONS = 10
LEAST_SHIFT = 1e-4
"""Centroids that move less than this, summed over all of them, have come to rest."""


def initial_frames(
    frames: int, count: int, generator: torch.Generator | None, forced: Tensor | None = None
) -> Tensor:
    """The frames that the clusters start from: the `forced` ones, the rest at random.

    Shape:
        forced: (T,) bool.
        returns: (count,) int64, ascending.
    """
    order = torch.randperm(frames, generator=generator)
    if forced is not None:
        order = order[forced.cpu()[order].int().argsort(descending=True, stable=True)]
    return order[:count].sort().values


@torch.no_grad()
def kmeans(
    features: Tensor, initial: Tensor, generator: torch.Generator | None = None
) -> tuple[Clusters, Tensor]:
    """Clusters of the frames of one video, and their centroids.

    A cluster's centre is the frame that it started from, also where that one ended up in another cluster:
    that is the frame the release takes for it. Ties go to the earlier cluster.

    Shape:
        features: (T, D).
        initial: (L,) int64, ascending: the frames to start from.
        generator: for the frames that refill empty clusters.
        returns: the clusters, whose `log_rank` is 0, and centroids (L, D).
    """
    # DynFocus release, kmeans: 10 iterations at most; where it comes to rest, the centroids before the last
    # step are returned.
    points, count = features.float(), len(initial)
    origin = points.mean(dim=0)
    points = points - origin  # a common offset would cost the products below their digits
    centroids = points[initial]
    assignment = initial
    for _ in range(MOST_ITERATIONS):
        distances = centroids.square().sum(dim=1) - 2 * points @ centroids.T  # (T, L), but for |point|^2
        assignment = distances.argmin(dim=1)
        moved = cluster_means(points, assignment, count)
        for empty in (assignment.bincount(minlength=count) == 0).nonzero().flatten().tolist():
            moved[empty] = points[int(torch.randint(len(points), (1,), generator=generator))]
        at_rest = (moved - centroids).norm(dim=1).sum() < LEAST_SHIFT
        if at_rest:
            break
        centroids = moved
    rank = torch.zeros(count, dtype=torch.float64, device=features.device)
    return Clusters(initial, assignment, rank), (centroids + origin).to(features.dtype)
