"""Intervals and paired tests, against slow versions and known values."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from dynfocus_cli.evaluation import statistics
from dynfocus_cli.evaluation.statistics import mcnemar, mean_with_interval, paired_difference


def slow_interval(scores, videos) -> tuple[float, float]:
    """The same draws, one video at a time."""
    names = list(dict.fromkeys(videos))
    of_video = {
        name: [score for score, video in zip(scores, videos, strict=True) if video == name] for name in names
    }
    generator = np.random.default_rng(statistics.SEED)
    means = []
    for _ in range(statistics.RESAMPLES):
        drawn = [names[place] for place in generator.integers(len(names), size=len(names))]
        pooled = [score for name in drawn for score in of_video[name]]
        means.append(sum(pooled) / len(pooled))
    means.sort()

    def quantile(share: float) -> float:
        place = share * (len(means) - 1)
        below = math.floor(place)
        above = min(below + 1, len(means) - 1)
        return means[below] + (place - below) * (means[above] - means[below])

    return quantile(0.025), quantile(0.975)


def slow_mcnemar(only_first: int, only_second: int) -> float:
    """The definition, in whole numbers: twice the smaller tail of fair coins."""
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**n)


@pytest.fixture
def questions() -> tuple[list[float], list[str]]:
    """160 questions about 30 videos of 1 to 10 questions; some videos are easier than others."""
    draw = random.Random(3)
    videos = [f"{place % 30}.mp4" for place in range(40)] + [f"{draw.randrange(30)}.mp4" for _ in range(120)]
    ease = {video: draw.random() for video in sorted(set(videos))}
    return [float(draw.random() < ease[video]) for video in videos], videos


def test_the_interval_is_that_of_a_slow_bootstrap_over_videos(questions, monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    scores, videos = questions
    estimate = mean_with_interval(scores, videos)
    assert estimate is not None
    assert estimate.value == pytest.approx(sum(scores) / len(scores))
    assert (estimate.low, estimate.high) == pytest.approx(slow_interval(scores, videos))


def test_the_interval_agrees_with_scipys_bootstrap_of_the_same_ratio(questions):
    scores, videos = questions
    totals = statistics._totals(scores, videos)
    theirs = bootstrap(
        (totals[:, 0], totals[:, 1]),
        lambda right, count, axis=-1: right.sum(axis) / count.sum(axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(11),
    ).confidence_interval
    ours = mean_with_interval(scores, videos)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_questions_of_one_video_are_drawn_together():
    """100 videos whose ten questions are all right or all wrong say as much as 100 questions."""
    outcomes = [float(video % 2) for video in range(100)]
    clustered = mean_with_interval(
        [score for score in outcomes for _ in range(10)], sorted(list(range(100)) * 10)
    )
    single = mean_with_interval(outcomes, range(100))
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low)
    assert clustered.high - clustered.low == pytest.approx(2 * 1.96 * 0.05, abs=0.02)


def test_memory_is_bounded_by_draws_in_parts_that_change_nothing(questions, monkeypatch):
    whole = mean_with_interval(*questions)
    monkeypatch.setattr(statistics, "MAX_DRAWS", 100)
    assert mean_with_interval(*questions) == whole == mean_with_interval(*questions)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 0.03125), (5, 5, 1.0), (10, 2, 0.03857421875), (2, 10, 0.03857421875)],
)
def test_mcnemar_of_known_values(only_first, only_second, p):
    assert mcnemar(only_first, only_second) == pytest.approx(p)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_test(only_first, only_second):
    assert mcnemar(only_first, only_second) == pytest.approx(slow_mcnemar(only_first, only_second))


def test_a_paired_gain_is_surer_than_two_means(questions):
    """Where both have nearly the same questions right, their difference is known better than either."""
    scores, videos = questions
    wrong = [place for place, score in enumerate(scores) if not score][:8]
    better = [1.0 if place in wrong else score for place, score in enumerate(scores)]
    of_mean, difference = mean_with_interval(scores, videos), paired_difference(better, scores, videos)
    assert difference.gain.value == pytest.approx(8 / 160)
    assert (difference.only_first, difference.only_second) == (8, 0)
    assert difference.p == pytest.approx(2 / 2**8)
    assert difference.gain.excludes_zero
    assert difference.gain.high - difference.gain.low < (of_mean.high - of_mean.low) / 2
    reverse = paired_difference(scores, better, videos)
    assert reverse.gain.value == -difference.gain.value
    assert (reverse.only_first, reverse.only_second, reverse.p) == (0, 8, difference.p)


def test_two_that_never_disagree_show_no_difference(questions):
    scores, videos = questions
    difference = paired_difference(scores, scores, videos)
    assert difference.gain.value == 0
    assert -1 < difference.gain.low == -difference.gain.high < 0, "agreement on these is none on all others"
    assert (difference.only_first, difference.only_second, difference.p) == (0, 0, 1.0)
    assert not difference.gain.excludes_zero


def test_a_judges_scores_have_a_gain_and_no_mcnemar():
    difference = paired_difference([0.6, 1.0, 0.4], [0.4, 0.8, 0.4], ["a", "b", "c"])
    assert difference.gain.value == pytest.approx(0.4 / 3)
    assert (difference.only_first, difference.only_second, difference.p) == (2, 0, None)


@pytest.mark.parametrize("right", [0, 1])
def test_videos_that_are_all_alike_leave_room_for_others(right):
    estimate = mean_with_interval([float(right)] * 24, [number // 2 for number in range(24)])
    exact = binomtest(12 * right, 12).proportion_ci(method="exact")
    assert (estimate.low, estimate.high) == pytest.approx((exact.low, exact.high))


def test_one_video_has_no_interval():
    estimate = mean_with_interval([1.0, 0.0, 1.0], ["a", "a", "a"])
    assert (estimate.value, estimate.low, estimate.high, estimate.count) == (
        pytest.approx(2 / 3),
        None,
        None,
        3,
    )
    assert not estimate.excludes_zero


def test_nothing_scored_is_no_mean():
    assert mean_with_interval([], []) is None
    assert paired_difference([], [], []) is None
