"""Density peaks clustering: over the frames of a video (T-DPC) and over the patches of a frame (S-DPC).

Every choice between equals goes to the earlier point, so that two runs give the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

DensityRule = Literal["paper", "release"]
"""How density and delta are measured. `paper`: distances are squared, a point is no neighbour of its own.
`release`: delta is a plain distance, a point is the first of its own neighbours, and the densest point's
delta is the largest distance of all; clusters then stand in descending rank."""

ROWS = 64
"""Rows of a product of points with points that are taken in one step, from their diagonal on: of 256 points
that leaves out three eighths of the work, and the rest mirrors to the bit."""


MAX_DEVIATION = 0.5
"""Of points from their mean, as `limit_deviation` leaves them."""


@dataclass(frozen=True, slots=True)
class Peaks:
    """How crowded each point's neighbourhood is, and how far the next more crowded point lies."""

    log_density: Tensor
    """(..., n): minus the mean squared distance to the nearest neighbours. Kept as a logarithm: `exp` is 0
    for every point where distances exceed about 100, and the order of the points would be lost."""
    delta: Tensor
    """(..., n): smallest distance to a denser point; for the densest point the largest of its row."""

    @property
    def log_rank(self) -> Tensor:
        """(..., n) float64: the logarithm of density * delta, what makes a point a centre; without the
        underflow of the product. Minus infinity where delta is 0."""
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


def limit_deviation(points: Tensor) -> Tensor:
    """The points, divided where they lie so far apart that density alone would choose the centres.

    A centre is where exp(-d) * delta is largest, and the scale of d is that of some vision encoder. Where d
    is large the exponential decides alone, and centres stand side by side where points are most alike: in the
    calmest scene of a video, in the background of a frame. Points whose deviation is at most `MAX_DEVIATION`
    stay as they are. This is not in the paper; networks that were trained with their clusters do without it.

    Shape:
        points: (..., n, D). Returns the same, float32.
    """
    apart = points.float() - points.float().mean(dim=-2, keepdim=True)
    deviation = apart.square().mean(dim=(-2, -1), keepdim=True).sqrt()
    return points.float() * (MAX_DEVIATION / deviation).clamp(max=1.0)


def pairwise_distances(features: Tensor, precision: torch.dtype = torch.float64) -> Tensor:
    """Squared Euclidean distance over the feature width, between all pairs of points.

    `|a|^2 + |b|^2 - 2ab` cancels. So the features are centred, that a common offset cost no digits, and what
    differs by less than the products resolve counts as equal: equal points are at 0.

    Shape:
        features: (..., n, D), any floating dtype.
        precision: of the products. float64 tells apart what is nearly equal in a far scene, and is safe from
            a caller's autocast and TF32; float32 takes half as long, see `patch_precision`.
        returns: (..., n, n) float32; symmetric to the bit, at least 0, diagonal 0.
    """
    count, width = features.shape[-2:]
    # Any point will do to centre on, so its rounding is no error; a float64 mean would take 10 times as long.
    x = features.to(precision) - features.mean(dim=-2, keepdim=True)
    products = x.new_empty(*x.shape[:-1], count)  # (..., n, n), of which only the upper half is filled
    with torch.autocast(x.device.type, enabled=False):
        for first in range(0, count, ROWS):
            rows = slice(first, first + ROWS)
            products[..., rows, first:] = x[..., rows, :] @ x[..., first:, :].transpose(-1, -2)
    norms = products.diagonal(dim1=-2, dim2=-1)
    scale = norms.unsqueeze(-1) + norms.unsqueeze(-2)  # (..., n, n)
    squared = torch.sub(scale, products, alpha=2)
    # Products of equal points differ where a library adds up in another order at a matrix's edge. D eps
    # bounds that, but in float32 would take for equal what is not; seen were 31 at D = 1408, 191 at 22528.
    steps = width if precision == torch.float64 else 4 * math.sqrt(width)
    noise = (steps + 8) * torch.finfo(precision).eps
    upper = squared.masked_fill(squared <= noise * scale, 0.0).div(width).float().triu(1)
    return upper + upper.transpose(-1, -2)


def patch_precision(device: torch.device) -> torch.dtype:
    """The precision for the patches of one frame, whose distances are most of what the connector computes.

    They lie close together, so float32 leaves three digits and more of their distances. Not so where a switch
    of the caller's has float32 products drop digits of their factors, as TF32 does: there it is float64, and
    so on every GPU, where that costs little.
    """
    switch = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    return torch.float32 if device.type == "cpu" and switch in ("none", "ieee") else torch.float64


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
    others = distances.clone()
    others.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
    count = min(neighbours, n) - 1 if rule == "release" else min(neighbours, n - 1)
    if count:
        nearest = _smallest(others, count)
        log_density = -nearest.sum(dim=-1) / (count + 1 if rule == "release" else count)
    else:
        log_density = distances.new_zeros(distances.shape[:-1])

    place = log_density.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)  # 0 is the densest
    not_denser = place.unsqueeze(-2) >= place.unsqueeze(-1)  # (..., n, n): of the column, seen from the row
    # Out of reach by a sum, since a fill under a mask takes torch five times as long on a CPU.
    to_denser = distances.add(not_denser, alpha=torch.finfo(distances.dtype).max).amin(dim=-1)
    others.diagonal(dim1=-2, dim2=-1).zero_()
    farthest = others.amax(dim=-1)
    if rule == "release":
        farthest = farthest.amax(dim=-1, keepdim=True)
    delta = torch.where(place == 0, farthest, to_denser)
    return Peaks(log_density, delta.sqrt() if rule == "release" else delta)


def _smallest(values: Tensor, count: int) -> Tensor:
    """The `count` smallest of each row in ascending order: (..., n) -> (..., count).

    Each column belongs to one of `groups`. The smallest lie in the groups with the smallest least, so that
    only those are looked through: for 8 of 256 that takes half of the time of a plain `topk`.

    Example: count = 1, groups = 4

        values      5 2 7 9 6 4 8 3     column 0 is with column 4, 1 with 5, 2 with 6, 3 with 7
        least       5 2 7 3             -> the second group, 2 4 -> 2
    """
    n = values.shape[-1]
    groups = 4 << (count - 1).bit_length()  # 4 for each, or a few more: a power of 2 divides most n
    if n % groups or n < 2 * groups:
        return values.topk(count, largest=False).values
    grouped = values.unflatten(-1, (-1, groups))  # (..., n / groups, groups)
    best = grouped.amin(dim=-2, keepdim=True).topk(count, largest=False).indices  # (..., 1, count)
    kept = grouped.gather(-1, best.expand(*grouped.shape[:-1], count))
    return kept.flatten(-2).topk(count, largest=False).values


@torch.no_grad()
def cluster(
    features: Tensor,
    centres: int,
    neighbours: int,
    forced: Tensor | None = None,
    rule: DensityRule = "paper",
    precision: torch.dtype = torch.float64,
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
        precision: as `pairwise_distances` takes it.

    Raises:
        ValueError: `centres` or `neighbours` below 1, or more forced points than `centres`.
    """
    if centres < 1:
        raise ValueError(f"clustering needs at least 1 centre, got {centres = }")
    n = features.shape[-2]
    count = min(centres, n)
    distances = pairwise_distances(features, precision)
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
