"""Means with intervals, and paired comparisons.

The questions about one video are not independent of one another: intervals are from a bootstrap over videos,
in which a video is drawn with all of its questions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0
"""Of the draws: equal scores, equal intervals."""
SAME = 1e-12
"""Means of videos that differ by less are equal but for rounding."""
MAX_DRAWS = 1 << 20
"""Videos drawn at a time: memory stays the same however many there are."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the interval that holds 95 % of the bootstrap's means."""

    value: float
    low: float | None
    """None where the scores are of a single video: they say nothing of how much videos differ."""
    high: float | None
    count: int
    """Scores that the mean is over."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much better one of two is on the same questions."""

    first: float
    """The first one's mean."""
    second: float
    gain: Estimate
    """The mean of first minus second."""
    only_first: int
    """Questions on which the first has the higher score."""
    only_second: int
    """Questions on which the second has the higher score."""
    p: float | None
    """Of the exact McNemar test; None where scores are more than right and wrong."""


def mean_with_interval(
    scores: Sequence[float], videos: Sequence[Hashable], bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate | None:
    """The mean of scores, with a percentile bootstrap over videos; None without scores.

    Where all videos have the same mean, resamples show no spread, which is no certainty: the interval is then
    the exact one of Clopper and Pearson for a kind of video that was seen in none of so many.

    Args:
        scores: one a question.
        videos: the video of each question, in an order that is the same for the same questions.
        bounds: the least and the greatest score that there can be.

        scores = [1, 0, 1], videos = ["a", "a", "b"]: a resample of two videos is aa, ab, ba or bb,
        with the means 1/2, 2/3, 2/3 and 1.
    """
    if not scores:
        return None
    totals = _totals(scores, videos)
    value = float(np.sum(totals[:, 0]) / len(scores))
    if len(totals) < 2:
        return Estimate(value, None, None, len(scores))
    tail = (1 - CONFIDENCE) / 2
    means = totals[:, 0] / totals[:, 1]
    if np.ptp(means) < SAME:
        unseen = 1 - tail ** (1 / len(totals))  # the largest share of videos that so many may well lack
        least, greatest = bounds
        low, high = value - unseen * (value - least), value + unseen * (greatest - value)
    else:
        low, high = np.quantile(_resampled_means(totals), [tail, 1 - tail])
    return Estimate(value, float(low), float(high), len(scores))


def paired_difference(
    first: Sequence[float], second: Sequence[float], videos: Sequence[Hashable]
) -> PairedDifference | None:
    """Compares the scores of two on the same questions; None without questions."""
    differences = [one - other for one, other in zip(first, second, strict=True)]
    gain = mean_with_interval(differences, videos, (-1.0, 1.0))
    if gain is None:
        return None
    ahead = sum(difference > 0 for difference in differences)
    behind = sum(difference < 0 for difference in differences)
    binary = {*first, *second} <= {0.0, 1.0}
    return PairedDifference(
        first=sum(first) / gain.count,
        second=sum(second) / gain.count,
        gain=gain,
        only_first=ahead,
        only_second=behind,
        p=mcnemar(ahead, behind) if binary else None,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of the exact McNemar test, 1 where the two never disagree.

    Args:
        only_first: questions that only the first has right.
        only_second: questions that only the second has right.
    """
    from scipy.stats import binomtest

    disagreements = only_first + only_second
    return float(binomtest(only_first, disagreements).pvalue) if disagreements else 1.0


def _totals(scores: ArrayLike, videos: Sequence[Hashable]) -> NDArray[np.float64]:
    """The sum of each video's scores, and how many it has.

    Shape: (videos, 2)
    """
    index = {video: place for place, video in enumerate(dict.fromkeys(videos))}
    of_video = [index[video] for video in videos]
    sums = np.bincount(of_video, weights=np.asarray(scores, dtype=np.float64), minlength=len(index))
    return np.stack([sums, np.bincount(of_video, minlength=len(index))], axis=1)


def _resampled_means(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean score of as many videos, drawn with replacement, `RESAMPLES` times.

    Shape: (videos, 2) -> (RESAMPLES,)
    """
    generator = np.random.default_rng(SEED)
    videos = len(totals)
    at_once = max(1, MAX_DRAWS // videos)
    means = []
    for start in range(0, RESAMPLES, at_once):
        drawn = generator.integers(videos, size=(min(at_once, RESAMPLES - start), videos))
        sums = totals[drawn].sum(axis=1)  # (resamples, 2)
        means.append(sums[:, 0] / sums[:, 1])
    return np.concatenate(means)
