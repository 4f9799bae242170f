"""Figures of moment retrieval: recall at one, average precision, and how well the best clips are found.

All take spans of time in seconds, `(start, end)`; predictions are ranked, the best first. The definitions are
those of QVHighlights' script (jayleicn/moment_detr, `standalone_eval/eval.py` and `utils.py`), which
`benchmarks/moment_scorers.py` holds these against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynfocus_cli.types import Span

MOST_PREDICTIONS = 10
"""Spans of a query that average precision looks at."""
IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Overlaps that average precision is averaged over: 0.5, 0.55 to 0.95."""


def overlap(one: Span, other: Span) -> float:
    """Intersection over union, 0 to 1; 0 for a span without a length.

    (0, 4), (2, 6) -> 2 / 6
    """
    shared = min(one[1], other[1]) - max(one[0], other[0])
    if shared <= 0:
        return 0.0
    return shared / ((one[1] - one[0]) + (other[1] - other[0]) - shared)


def best_overlap(predictions: Sequence[Span], right: Sequence[Span]) -> float:
    """Of the best prediction with the right span that is nearest to it; 0 without a prediction.

    A query counts in recall at one where this reaches the overlap asked for.
    """
    return max((overlap(predictions[0], span) for span in right), default=0.0) if predictions else 0.0


def average_precision(predictions: Sequence[Span], right: Sequence[Span], iou: float) -> float:
    """Area under the interpolated curve of precision over recall, as in Pascal VOC 2011.

    Each prediction takes the right span that it overlaps most of those that are left, if by `iou` or more.

    Hits x - x for two right spans: precision 1 at recall 1/2, 2/3 at 1 -> 1/2 * 1 + 1/2 * 2/3

    Raises:
        ValueError: there is no right span.
    """
    if not right:
        raise ValueError("average precision needs a right span")
    left = list(right)
    hits: list[int] = []
    """Rank of each prediction that is right, from 1."""
    for rank, prediction in enumerate(predictions[:MOST_PREDICTIONS], 1):
        nearest = max(left, key=lambda span: overlap(prediction, span), default=None)
        if nearest is not None and overlap(prediction, nearest) >= iou:
            left.remove(nearest)
            hits.append(rank)
    precisions = [count / rank for count, rank in enumerate(hits, 1)]
    return sum(max(precisions[place:]) for place in range(len(hits))) / len(right)


def mean_average_precision(predictions: Sequence[Span], right: Sequence[Span]) -> float:
    """Average precision of one query, the mean over `IOUS`."""
    return sum(average_precision(predictions, right, iou) for iou in IOUS) / len(IOUS)


def of_length(right: Sequence[Span], shortest: float, longest: float) -> list[Span]:
    """The right spans that are longer than the one and at most as long as the other, seconds."""
    return [span for span in right if shortest < span[1] - span[0] <= longest]


def clip_scores(times_s: ArrayLike, scores: ArrayLike, clips: int, clip_s: float) -> list[float]:
    """A score for each of a video's clips of equal length: the mean of the frames in it, or that of the frame
    nearest to its middle where none is.

    Args:
        times_s: of the frames, ascending.
    """
    times, values = np.asarray(times_s, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    of_clips = []
    for clip in range(clips):
        inside = (times >= clip * clip_s) & (times < (clip + 1) * clip_s)
        if not inside.any():
            inside = np.arange(len(times)) == np.abs(times - (clip + 0.5) * clip_s).argmin()
        of_clips.append(float(values[inside].mean()))
    return of_clips


def highlight_precision(relevant: NDArray[np.bool_], scores: Sequence[float]) -> float:
    """Average precision of a ranking of clips: the mean, over the shares of relevant clips that some score
    reaches, of the best precision at that share or a greater one.

    Clips with equal scores are reached together. 0 where no clip is relevant, and 1 where all are. Clips
    without a score count as 0, and scores without a clip not at all.

    Shape:
        relevant: (clips,).
    """
    if relevant.all() or not relevant.any():
        return float(relevant.all())
    values = np.zeros(len(relevant))
    values[: len(scores)] = scores[: len(relevant)]
    best_at: dict[int, float] = {}
    for score in sorted(set(values.tolist()), reverse=True):
        reached = values >= score
        found = int(relevant[reached].sum())
        if found:
            best_at.setdefault(found, found / int(reached.sum()))
    precisions = list(best_at.values())
    return float(np.mean([max(precisions[place:]) for place in range(len(precisions))]))


def highlight_hit(relevant: NDArray[np.bool_], scores: Sequence[float]) -> bool:
    """Whether the clip with the best score is relevant; of equals the first.

    Shape:
        relevant: (clips,).
    """
    best = int(np.argmax(scores)) if scores else len(relevant)
    return best < len(relevant) and bool(relevant[best])
