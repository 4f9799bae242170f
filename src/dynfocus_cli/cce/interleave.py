"""Video tokens in time order: cones and rods of key frames, rods of all others."""

from __future__ import annotations

import torch
from torch import Tensor


def token_counts(
    frames: int, key_frames: Tensor, cones: int = 38, rods: int = 2, key_frame_rods: bool = True
) -> Tensor:
    """How many tokens each frame is given.

    Example: frames = 4, key_frames = [1] -> [2, 40, 2, 2]

    Shape:
        frames: T.
        key_frames: (K,) int64, indices of the key frames, each once.
        cones, rods: tokens that a key frame gets, and that any other frame gets.
        key_frame_rods: whether a key frame gets rods on top.
        returns: (T,) int64.
    """
    counts = torch.full((frames,), rods, dtype=torch.int64, device=key_frames.device)
    return counts.index_fill(0, key_frames, cones + rods * key_frame_rods)


def other_frames(frames: int, key_frames: Tensor) -> Tensor:
    """The frames that are no key frames, in order.

    Example: frames = 4, key_frames = [1] -> [0, 2, 3]

    Shape:
        frames: T.
        key_frames: (..., K) int64, indices of the key frames, each once.
        returns: (..., T - K) int64.
    """
    is_key = torch.zeros(*key_frames.shape[:-1], frames, dtype=torch.int64, device=key_frames.device)
    # Sorted, not picked by a mask: how many a mask picks a GPU would have to be asked.
    order = is_key.scatter(-1, key_frames, 1).argsort(dim=-1, stable=True)
    return order[..., : frames - key_frames.shape[-1]]


def interleave(
    rods: Tensor, cones: Tensor, key_frames: Tensor, key_frame_rods: bool = True
) -> tuple[Tensor, Tensor]:
    """All tokens of a video in time order; a key frame's cones come before its rods.

    Example: T = 3 frames, 1 rod (r) a frame, 2 cones (c, d) a key frame, key_frames = [1]

        counts        1  3       1
        starts        0  1       4       where a frame's tokens begin
        rods at       0        3 4       the last of a frame's tokens
        cones at         1 2             the key frame's start onwards
        tokens       r0 c1 d1 r1 r2
        frame         0  1  1  1  2

    Shape:
        rods: (T, R, D), R = 2; without `key_frame_rods` those of the other frames alone, (T - K, R, D).
        cones: (K, C, D), C = 38; C is read here also for K = 0.
        key_frames: (K,) int64, ascending.
        key_frame_rods: whether key frames have rods.
        returns: tokens (M, D) and the frame of each token (M,) int64, M = T * R + K * C: 40 K + 2 (T - K).

    Raises:
        ValueError: shapes that do not fit each other.
    """
    # DynFocus, CCE: O_t = cones || rods for key frames, rods for the rest.
    rod_frames, per_frame, width = rods.shape
    keys, per_key, _ = cones.shape
    if cones.shape[2] != width or key_frames.shape != (keys,):
        raise ValueError(
            f"cones and rods must fit, got {cones.shape = } {rods.shape = } {key_frames.shape = }"
        )
    frames = rod_frames if key_frame_rods else rod_frames + keys
    every = torch.arange(frames, device=rods.device)
    with_rods = every if key_frame_rods else other_frames(frames, key_frames)
    counts = token_counts(frames, key_frames, per_key, per_frame, key_frame_rods)  # (T,)
    total = rod_frames * per_frame + keys * per_key
    ends = counts.cumsum(0)  # (T,)
    step = torch.arange(max(per_frame, per_key), device=rods.device)
    cone_places = ((ends - counts)[key_frames].unsqueeze(1) + step[:per_key]).flatten()  # (K * C,)
    rod_places = ((ends - per_frame)[with_rods].unsqueeze(1) + step[:per_frame]).flatten()

    source = torch.cat((cones.flatten(0, 1), rods.flatten(0, 1)))  # (M, D)
    places = torch.cat((cone_places, rod_places))  # (M,): where each source row goes
    rows = torch.empty_like(places).scatter(0, places, torch.arange(total, device=rods.device))
    return source[rows], every.repeat_interleave(counts, output_size=total)
