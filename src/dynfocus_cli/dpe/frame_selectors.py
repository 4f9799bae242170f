"""Key frames straight from one score a frame, without events: other people's ways, to compare with.

Each returns K frames in ascending order. `topk` and `aks` read a curve of scores (T,); `even` reads times.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise
from dynfocus_cli.types import FrameSelector

AKS_THRESHOLD = 0.8
"""How far a segment's best scores must stand above its mean to be taken whole, on a curve from 0 to 1."""
AKS_LEVELS = 5
"""How often a segment may be halved."""


def topk(scores: Tensor, count: int) -> Tensor:
    """The frames with the best scores; of equals the earlier ones.

    Shape:
        scores: (T,), T >= count.
        returns: (count,) int64.
    """
    return hard_topk(scores, count)


def aks(scores: Tensor, count: int, *, threshold: float = AKS_THRESHOLD, levels: int = AKS_LEVELS) -> Tensor:
    """Adaptive key frame sampling (ADA in Tang et al., CVPR 2025, arXiv 2502.21271, section 3.3).

    A segment, at first the whole video, gives its best frames where the mean of their scores is more than
    `threshold` above the mean of all its scores: what matters is in a few places. Elsewhere it is halved, and
    each half gives half of the frames, so that they cover the video.

    Example: count = 2, threshold = 0.6

        0.1 0.0 0.9 1.0     best two: mean 0.95, all: 0.5, so it is halved
        0.1 0.0 | 0.9 1.0   one of each -> 0, 3

    Shape:
        scores: (T,), T >= count; scaled to 0 ... 1 here.
        returns: (count,) int64.
    """
    curve = minmax_normalise(scores.double())
    chosen = _aks(curve, 0, len(curve), count, threshold, levels)
    return torch.tensor(chosen, dtype=torch.int64, device=scores.device)


def _aks(curve: Tensor, start: int, end: int, count: int, threshold: float, levels: int) -> list[int]:
    """`count` frames of those from `start` up to `end`, which are as many or more."""
    if count == 0:
        return []
    segment = curve[start:end]
    best = hard_topk(segment, count)
    stands_out = bool(segment[best].mean() - segment.mean() > threshold)
    if stands_out or levels == 0 or count == 1:
        return [start + frame for frame in best.tolist()]
    middle, earlier = start + (end - start) // 2, count // 2
    return [
        *_aks(curve, start, middle, earlier, threshold, levels - 1),
        *_aks(curve, middle, end, count - earlier, threshold, levels - 1),
    ]


def even(times_s: Sequence[float], count: int) -> Tensor:
    """The frames nearest to evenly spaced moments, each moment in the middle of its share of the time from
    the first frame to the last. A frame that two moments are nearest to stands for the earlier, and the next
    free one for the later.

    Example: count = 2

        times_s  0  1  2  3  4   moments at 1 and 3 -> 1, 3

    Shape:
        times_s: T >= count seconds, ascending.
        returns: (count,) int64.
    """
    first, last = times_s[0], times_s[-1]
    chosen: list[int] = []
    for place in range(count):
        moment = first + (last - first) * (2 * place + 1) / (2 * count)
        free = range(chosen[-1] + 1 if chosen else 0, len(times_s) - (count - place - 1))
        chosen.append(min(free, key=lambda frame: (abs(times_s[frame] - moment), frame)))
    return torch.tensor(chosen, dtype=torch.int64)


def select_frames(
    selector: FrameSelector,
    scores: Tensor,
    times_s: Sequence[float],
    count: int,
    pinned: Sequence[int] = (),
) -> Tensor:
    """`count` key frames by one of these ways, `pinned` ones among them: at most `count`.

    Shape:
        scores: (T,).
        times_s: T.
        returns: (count,) int64, on the device of `scores`.
    """
    rest = [frame for frame in range(len(times_s)) if frame not in set(pinned)]
    more = count - len(pinned)
    if more == 0:
        return torch.tensor(sorted(pinned), dtype=torch.int64, device=scores.device)
    among = torch.tensor(rest, dtype=torch.int64, device=scores.device)
    if selector == "even":
        chosen = even([times_s[frame] for frame in rest], more).to(scores.device)
    else:
        chosen = {"topk": topk, "aks": aks}[selector](scores[among], more)
    forced = torch.tensor(list(pinned), dtype=torch.int64, device=scores.device)
    return torch.cat((forced, among[chosen])).sort().values
