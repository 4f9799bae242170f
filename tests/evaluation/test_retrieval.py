"""Figures of moment retrieval, against hand-made cases and against slow and obvious versions."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dynfocus_cli.evaluation.retrieval import (
    average_precision,
    best_overlap,
    clip_scores,
    highlight_hit,
    highlight_precision,
    mean_average_precision,
    of_length,
    overlap,
)
from dynfocus_cli.types import Span


def test_overlap_is_the_shared_part_of_both() -> None:
    assert overlap((0, 4), (2, 6)) == pytest.approx(2 / 6)
    assert overlap((2, 6), (0, 4)) == pytest.approx(2 / 6)
    assert overlap((0, 4), (0, 4)) == 1
    assert overlap((0, 4), (4, 6)) == overlap((0, 0), (0, 4)) == 0


def test_the_first_prediction_alone_counts_for_recall() -> None:
    right = [(0.0, 4.0), (10.0, 12.0)]
    assert best_overlap([(10, 12), (50, 60)], right) == 1
    assert best_overlap([(50, 60), (10, 12)], right) == 0
    assert best_overlap([], right) == 0


def test_precision_of_a_miss_between_two_hits() -> None:
    right = [(0.0, 10.0), (20.0, 30.0)]
    assert average_precision([(0, 10), (50, 60), (20, 30)], right, 0.5) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([(0, 10), (0, 10), (0, 10)], right, 0.5) == 0.5, "a span is taken once"
    assert average_precision([(0, 9)], [(0, 10)], 0.95) == 0
    assert mean_average_precision([(0, 9)], [(0, 10)]) == pytest.approx(0.9), "0.9 reaches 9 of 10 overlaps"
    assert average_precision([], right, 0.5) == 0
    with pytest.raises(ValueError, match="right span"):
        average_precision([(0, 1)], [], 0.5)


def test_predictions_beyond_the_tenth_are_not_looked_at() -> None:
    misses: list[Span] = [(100, 101)] * 10
    assert average_precision([*misses[:9], (0, 1)], [(0, 1)], 0.5) == pytest.approx(0.1)
    assert average_precision([*misses, (0, 1)], [(0, 1)], 0.5) == 0


def slow_precision(predictions: list[Span], right: list[Span], iou: float) -> float:
    """The area under the curve, a step of recall at a time."""
    free, hits = list(right), []
    for prediction in predictions:
        fits = [span for span in free if overlap(prediction, span) >= iou]
        best = max(fits, key=lambda span: overlap(prediction, span), default=None)
        hits.append(best is not None)
        if best is not None:
            free.remove(best)
    points = [
        (sum(hits[:count]) / len(right), sum(hits[:count]) / count) for count in range(1, len(hits) + 1)
    ]
    area = 0.0
    for step in range(1, len(right) + 1):
        reached = [precision for recall, precision in points if recall >= step / len(right) - 1e-12]
        area += max(reached, default=0.0) / len(right)
    return area


def test_precision_is_the_area_under_the_interpolated_curve() -> None:
    draw = random.Random(3)
    for _ in range(300):

        def span() -> Span:
            start = draw.randrange(20)
            return (float(start), float(start + draw.randrange(1, 8)))

        predictions = [span() for _ in range(draw.randrange(11))]
        right = [span() for _ in range(draw.randrange(1, 5))]
        for iou in (0.3, 0.5, 0.75):
            assert average_precision(predictions, right, iou) == pytest.approx(
                slow_precision(predictions, right, iou)
            )


def test_classes_of_length_leave_the_lower_end_out() -> None:
    spans: list[Span] = [(0, 10), (0, 10.5), (0, 30), (0, 31)]
    assert of_length(spans, 0, 10) == [(0, 10)]
    assert of_length(spans, 10, 30) == [(0, 10.5), (0, 30)]


def test_a_clips_score_is_that_of_its_frames() -> None:
    assert clip_scores([0, 1, 2, 3], [0.2, 0.4, 0.6, 0.8], 2, 2.0) == pytest.approx([0.3, 0.7])
    assert clip_scores([0, 5], [0.1, 0.9], 3, 2.0) == pytest.approx([0.1, 0.9, 0.9]), "the nearest frame's"


def test_clips_with_equal_scores_are_reached_together() -> None:
    relevant = np.array([True, False, True, False])
    assert highlight_precision(relevant, [0.9, 0.8, 0.7, 0.1]) == pytest.approx((1 + 2 / 3) / 2)
    assert highlight_precision(relevant, [0.5, 0.5, 0.5, 0.1]) == pytest.approx(2 / 3), "one step of recall"
    assert highlight_precision(~relevant & False, [1, 0, 0, 0]) == 0
    assert highlight_precision(relevant | True, [1, 0, 0, 0]) == 1
    assert highlight_precision(relevant, [0.9]) == pytest.approx((1 + 2 / 4) / 2), "others count as 0"
    assert highlight_hit(relevant, [0.5, 0.5, 0.1, 0.0])
    assert not highlight_hit(relevant, [0.0, 0.5, 0.1, 0.0])
    assert not highlight_hit(relevant, [0.0] * 4 + [1.0]), "a score without a clip"
