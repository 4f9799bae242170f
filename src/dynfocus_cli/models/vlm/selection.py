"""Events and key frames by a public model's features: T-DPC, and scores that need no training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.dpe.density_peaks import Clusters, cluster, limit_deviation
from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise

POOLED_SIDE = 4
EVENT_NEIGHBOURS = 5
"""C of the density, as the released code has it."""


def find_events(features: Tensor, events: int, pinned: Tensor | None) -> Clusters:
    """T-DPC over the pooled features, of a deviation of at most 0.5.

    Shape:
        features: (T, N, D), N a square.
        pinned: (1, T) bool, frames that are centres whatever their density.
        returns: clusters of a batch of one.
    """
    side = round(features.shape[1] ** 0.5)
    grid = features.float().transpose(1, 2).unflatten(2, (side, side))  # (T, D, side, side)
    pooled = F.adaptive_avg_pool2d(grid, min(POOLED_SIDE, side)).flatten(1)  # (T, D * P)
    return cluster(limit_deviation(pooled).unsqueeze(0), events, EVENT_NEIGHBOURS, pinned)


def distinctness(clusters: Clusters) -> Tensor:
    """(L,): density times distance of each event's centre, as a logarithm; copies come last."""
    ranks = clusters.log_rank[0]
    finite = ranks[ranks.isfinite()]
    return ranks.clamp(min=float(finite.min()) if len(finite) else 0.0).float()


def nearest_to_words(words: Tensor, tokens: Tensor) -> Tensor:
    """How near each word of a question comes to a frame: the cosine of the patch nearest to it, in the
    language model's space.

    Shape:
        words: (S, D_l), the question's.
        tokens: (L, n, W), of the frames, D_l <= W.
        returns: (L, S).
    """
    tokens = tokens[..., : words.shape[-1]].float()
    cosine = F.normalize(tokens, dim=-1) @ F.normalize(words.float(), dim=-1).T  # (L, n, S)
    return cosine.amax(dim=1)


def similarity(nearest: Tensor) -> Tensor:
    """How similar each frame is to a question: the mean over its words, each less its mean over all frames.

    Shape:
        nearest: (L, S), see `nearest_to_words`.
        returns: (L,).
    """
    return (nearest - nearest.mean(dim=0)).mean(dim=1)


def rank(
    raw_scores: Tensor, clusters: Clusters, key_events: int, pinned: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Scores 0 to 1, and the key frames, `pinned` ones first.

    Shape:
        raw_scores: (L,).
        returns: (L,) and (K,), ascending.
    """
    scores = minmax_normalise(raw_scores.unsqueeze(0))
    ranked = scores
    if pinned is not None:
        ranked = scores.masked_fill(pinned.gather(1, clusters.centres), 2.0)
    chosen = clusters.centres.gather(1, hard_topk(ranked, key_events))
    return scores[0], torch.sort(chosen[0]).values
