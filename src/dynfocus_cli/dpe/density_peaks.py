"""Density peaks clustering: over the frames of a video (T-DPC) and over the patches of a frame (S-DPC).

Every choice between equals goes to the earlier point, so that two runs give the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

DensityRule = Literal["paper", "release"]
"""How density and delta are measured. `paper`: distances are squared, a point is no neighbour of its own.
`release`: delta is a plain distance, a point is the first of its own neighbours, and the densest point's
delta is the largest distance of all; clusters then stand in descending rank."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """How crowded each point's neighbourhood is, and how far the next more crowded point lies."""

    log_density: Tensor
    """(..., n): minus the mean squared distance to the nearest neighbours. Kept as a logarithm: `exp` is 0
    for every point where distances exceed about 100, and the order of the points would be lost."""
    delta: Tensor
    """(..., n): smallest distance to a denser point; for the densest point the largest of its row."""

    @property
    def density(self) -> Tensor:
        """(..., n), above 0 and at most 1 before underflow."""
        return self.log_density.exp()

    @property
    def rank(self) -> Tensor:
        """(..., n): density * delta, what makes a point a centre."""
        return self.density * self.delta

    @property
    def log_rank(self) -> Tensor:
        """(..., n) float64: the order of `rank` without its underflow; minus infinity where delta is 0."""
        return self.log_density.double() + self.delta.double().log()


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centres and members; clusters are numbered in the order of their centres."""

    centres: Tensor
    """(..., c) int64: the centre points' indices; ascending, or by the release's rule in descending rank."""
    assignment: Tensor
    """(..., n) int64: each point's cluster, 0 to c - 1."""
    log_rank: Tensor
    """(..., c) float64: logarithm of density * delta of each centre, what the centres were chosen by."""


def pairwise_distances(features: Tensor) -> Tensor:
    """Squared Euclidean distance over the feature width, between all pairs of points.

    The features are centred, so that a common offset costs no digits, and the products are taken in float64:
    `|a|^2 + |b|^2 - 2ab` cancels, and a float32 product would moreover obey a caller's autocast or TF32
    switch. Differences below float64's resolution of the products count as none: equal points are at 0.

    Shape:
        features: (..., n, D), any floating dtype.
        returns: (..., n, n) float32; symmetric to the bit, at least 0, diagonal 0.
    """
    width = features.shape[-1]
    x = features.double()
    x = x - x.mean(dim=-2, keepdim=True)
    products = x @ x.transpose(-1, -2)  # (..., n, n)
    norms = products.diagonal(dim1=-2, dim2=-1)
    scale = norms.unsqueeze(-1) + norms.unsqueeze(-2)  # (..., n, n)
    squared = scale - (products + products.transpose(-1, -2))
    noise = (width + 8) * torch.finfo(torch.float64).eps
    return squared.masked_fill(squared <= noise * scale, 0.0).div(width).float()


def density_peaks(distances: Tensor, neighbours: int, rule: DensityRule = "paper") -> Peaks:
    """Density and delta of every point; of equally dense points the earlier is the denser.

    Shape:
        distances: (..., n, n), squared, symmetric; the diagonal is not read.
        neighbours: how many nearest points the density looks at, itself among them by the release's rule;
            clipped to what there are.

    Raises:
        ValueError: `neighbours` below 1.
    """
    # DynFocus, T-DPC: rho = exp(-mean of d over the C nearest neighbours), delta as in Rodriguez & Laio 2014.
    if neighbours < 1:
        raise ValueError(f"density peaks need at least 1 neighbour, got {neighbours = }")
    n = distances.shape[-1]
    index = torch.arange(n, device=distances.device)
    itself = index.unsqueeze(-1) == index  # (n, n)
    count = min(neighbours, n) - 1 if rule == "release" else min(neighbours, n - 1)
    if count:
        others = distances.masked_fill(itself, torch.inf).topk(count, largest=False).values
        log_density = -others.sum(dim=-1) / (count + 1 if rule == "release" else count)
    else:
        log_density = distances.new_zeros(distances.shape[:-1])

    mine, theirs = log_density.unsqueeze(-1), log_density.unsqueeze(-2)
    earlier = index < index.unsqueeze(-1)
    denser = (theirs > mine) | ((theirs == mine) & earlier)  # (..., n, n): is column denser than row?
    to_denser = distances.masked_fill(~denser, torch.inf).amin(dim=-1)
    farthest = distances.masked_fill(itself, 0.0).amax(dim=-1)
    if rule == "release":
        farthest = farthest.amax(dim=-1, keepdim=True)
    delta = torch.where(denser.any(dim=-1), to_denser, farthest)
    return Peaks(log_density, delta.sqrt() if rule == "release" else delta)


@torch.no_grad()
def cluster(
    features: Tensor,
    centres: int,
    neighbours: int,
    forced: Tensor | None = None,
    rule: DensityRule = "paper",
) -> Clusters:
    """Density peaks clustering: the points with the largest density * delta, and to each its nearest points.

    Example: centres = 2, one feature a point

        features      0.0  0.1  0.2  9.0  9.1
        centres            1         3            -> (1, 3)
        assignment    0    0    0    1    1

    Shape:
        features: (..., n, D).
        centres: number of clusters; with n or more, every point is its own cluster.
        forced: (..., n) bool, points that are centres whatever their rank; they displace the weakest.

    Raises:
        ValueError: `centres` or `neighbours` below 1, or more forced points than `centres`.
    """
    if centres < 1:
        raise ValueError(f"clustering needs at least 1 centre, got {centres = }")
    n = features.shape[-2]
    count = min(centres, n)
    distances = pairwise_distances(features)
    peaks = density_peaks(distances, neighbours, rule)
    priority = peaks.log_rank  # (..., n)
    if forced is not None:
        if forced.shape != priority.shape:
            raise ValueError(
                f"one forced flag a point is needed, got {forced.shape = } for {priority.shape = }"
            )
        most = int(forced.sum(dim=-1).max())
        if most > centres:
            raise ValueError(f"{most} points are forced to be centres, but {centres = }")
        priority = priority.masked_fill(forced, torch.inf)

    order = priority.argsort(dim=-1, descending=True, stable=True)
    chosen = order[..., :count]  # (..., c)
    if rule == "paper":
        chosen = chosen.sort(dim=-1).values
    columns = chosen.unsqueeze(-2).expand(*distances.shape[:-1], count)
    assignment = distances.gather(-1, columns).argmin(dim=-1)  # (..., n); argmin returns the first minimum
    numbers = torch.arange(count, device=features.device).expand_as(chosen)
    assignment = assignment.scatter(-1, chosen, numbers)  # coincident centres keep themselves
    return Clusters(chosen, assignment, peaks.log_rank.gather(-1, chosen))


def cluster_means(features: Tensor, assignment: Tensor, clusters: int) -> Tensor:
    """Mean of each cluster's points; zeros for a cluster without any.

    A product with the membership matrix and not `index_add`: that adds in a random order on a GPU, and the
    promise is the same answer twice. Summed in float32.

    Shape:
        features: (..., n, D).
        assignment: (..., n) int64, 0 to clusters - 1.
        returns: (..., clusters, D), of the features' dtype.
    """
    members = F.one_hot(assignment, clusters).transpose(-1, -2).float()  # (..., clusters, n)
    sums = members @ features.float()  # (..., clusters, D)
    return (sums / members.sum(dim=-1, keepdim=True).clamp(min=1.0)).to(features.dtype)
