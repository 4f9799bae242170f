"""What benchmarks of moment retrieval have in common: a query describes what is looked for, and right is when
it is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import ClassVar

from dynfocus_cli.evaluation.benchmark import Benchmark, Protocol, Scoring
from dynfocus_cli.evaluation.item import Prediction, Scored
from dynfocus_cli.evaluation.retrieval import best_overlap, mean_average_precision, overlap
from dynfocus_cli.types import Span

RECALL = "R@1 at IoU {}"
RECALLS = (0.3, 0.5, 0.7)
"""Overlaps of recall at one."""
MAIN = 0.5
"""The one that a run is summed up by."""
MEAN_IOU, MEAN_PRECISION, FALSE_ALARMS = "mIoU", "mAP", "false alarms"


class MomentBenchmark(Benchmark):
    """A benchmark of queries for moments.

    A query's score is whether its best moment overlaps a right one by half. One for what is never shown has
    none: whether anything was found there is a false alarm.
    """

    scoring: ClassVar[Scoring] = "moments"
    measures: ClassVar[tuple[str, ...]] = (
        *(RECALL.format(iou) for iou in RECALLS),
        MEAN_IOU,
        MEAN_PRECISION,
        FALSE_ALARMS,
    )

    def score(self, prediction: Prediction, protocol: Protocol, scoring: Scoring) -> Scored:
        right = prediction.item.spans_s
        found = [moment.span_s for moment in prediction.moments]
        if right is None:
            return Scored(prediction, prediction.response, None)
        if not right:
            alarm = {FALSE_ALARMS: float(bool(found))}
            return Scored(prediction, prediction.response, None, measures=alarm)
        share = best_overlap(found, right)
        measures = {RECALL.format(iou): float(share >= iou) for iou in RECALLS}
        measures |= {MEAN_IOU: share, MEAN_PRECISION: mean_average_precision(found, right)}
        return Scored(prediction, prediction.response, float(share >= MAIN), measures=measures)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """How far the borders are off of moments that were found, in seconds: the measures do not say it."""
        errors = border_errors_s(scored)
        if not errors:
            return {}
        starts, ends = zip(*errors, strict=True)
        return {"median error of starts, s": median(starts), "median error of ends, s": median(ends)}


def border_errors_s(scored: Sequence[Scored]) -> list[Span]:
    """How far start and end of the best moment are off, of each query whose score is 1."""
    errors = []
    for one in scored:
        if one.score:
            start_s, end_s = one.prediction.moments[0].span_s
            right = one.prediction.item.spans_s or ()
            nearest = max(right, key=lambda span: overlap((start_s, end_s), span))
            errors.append((abs(start_s - nearest[0]), abs(end_s - nearest[1])))
    return errors
