"""CCE in front of a public model: all or thinned tokens for key frames, two for any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.dpe.density_peaks import cluster, cluster_means, limit_deviation, patch_precision
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens

RODS = 2
"""Tokens of a frame that is no key frame; at most as many as a key frame has."""
NEIGHBOURS = 5
"""Of a token's density, at most."""


def cones(tokens: Tensor, grid: Grid, count: int) -> tuple[Tensor, Tensor]:
    """A key frame's tokens, or where `count` are fewer the means of as many clusters of them (S-DPC, as
    `find_events` at a limited deviation).

    Shape:
        tokens: (K, n, W).
        returns: (K, count, W), and where each lies (K, count, 2): row and column, a cluster's at its centre.
    """
    places = _places(grid).expand(len(tokens), -1, -1)  # (K, n, 2)
    if count >= tokens.shape[1]:
        return tokens, places
    nearest = max(1, min(NEIGHBOURS, tokens.shape[1] // count))
    clusters = cluster(limit_deviation(tokens), count, nearest, precision=patch_precision(tokens.device))
    means = cluster_means(tokens, clusters.assignment, count)
    return means, places.gather(1, clusters.centres.cpu().unsqueeze(-1).expand(-1, -1, 2))


def rods(tokens: Tensor, words: Tensor) -> Tensor:
    """Two rods of each frame: the mean of its tokens weighted by the question's words, and the plain mean.

    The weights are a softmax over cosines, in place of the paper's trained f_q and f_k. The cosines are
    scaled to deviation 1 over the frame, so that the softmax neither picks one token nor weighs all alike.

    Shape:
        tokens: (T, n, W).
        words: (S, D_l), D_l <= W.
        returns: (T, 2, W): attended average, plain average.
    """
    width = words.shape[-1]
    seen = F.normalize(tokens[..., :width].float(), dim=-1)
    cosine = seen @ F.normalize(words.float(), dim=-1).T  # (T, n, S)
    spread = cosine.std(dim=1, keepdim=True, correction=0).clamp(min=1e-6)
    weights = ((cosine - cosine.mean(dim=1, keepdim=True)) / spread).softmax(dim=1).mean(dim=2)  # (T, n)
    attended = weights.to(tokens.dtype).unsqueeze(1) @ tokens  # (T, 1, W)
    return torch.cat((attended, tokens.mean(dim=1, keepdim=True)), dim=1)


def assemble(
    key_frames: Sequence[int],
    key_tokens: Tensor,
    key_places: Tensor,
    rod_tokens: Callable[[Sequence[int]], Tensor] | None,
    grid: Grid,
    times_s: Sequence[float],
    duration_s: float,
    together: int = 1,
) -> VideoTokens:
    """All tokens of a video in time order, with runs of other frames as one part each.

    Args:
        rod_tokens: gives the tokens (R, r, W) of the frames it is given; None: they have none.
        together: frames that a row of `key_tokens` stands for, each `key_frames` among them.

    Shape:
        key_tokens: (K / together, c, W).
        key_places: (K / together, c, 2).
    """
    is_key, count = set(key_frames), len(times_s)
    others = [] if rod_tokens is None else [frame for frame in range(count) if frame not in is_key]
    rest = rod_tokens(others) if rod_tokens is not None and others else None  # (R, r, W)
    row, column = (grid.rows - 1) / 2, (grid.columns - 1) / 2
    key_frame_tokens = zip(key_tokens, key_places, strict=True)
    parts: list[Part] = []
    pieces: list[Tensor] = []
    frame = others_done = 0
    while frame < count:
        if frame in is_key:
            end = frame + together
            times = times_s[frame:end]
            tokens, places = next(key_frame_tokens)  # (c, W), (c, 2)
            rows, columns = places.T.tolist()
            stamps = (times[0],) * len(tokens)
        else:
            end = next((key for key in range(frame, count) if key in is_key), count)
            times = times_s[frame:end]
            if rest is None:
                frame = end
                continue
            run = rest[others_done : others_done + len(times)]
            others_done += len(times)
            tokens = run.flatten(0, 1)
            rows, columns = [row] * len(tokens), [column] * len(tokens)
            stamps = tuple(time_s for time_s in times for _ in range(run.shape[1]))
        is_run = frame not in is_key
        parts.append(Part(frame, len(times), stamps, times[-1], tuple(rows), tuple(columns), is_run))
        pieces.append(tokens)
        frame = end
    frames = sum(part.frames for part in parts)
    return VideoTokens(tuple(parts), grid, torch.cat(pieces), duration_s, frames)


def _places(grid: Grid) -> Tensor:
    """(n, 2): row and column of each token; tokens without a place have the middle's."""
    rows = torch.arange(grid.rows, dtype=torch.float32).repeat_interleave(grid.columns)
    columns = torch.arange(grid.columns, dtype=torch.float32).repeat(grid.rows)
    extra = torch.tensor([[(grid.rows - 1) / 2, (grid.columns - 1) / 2]]).expand(grid.extra, -1)
    return torch.cat((extra, torch.stack((rows, columns), dim=1)))
