"""The record of a report, `dynfocus.evaluation/1`.

Its order and rounding are fixed, and all that differs from run to run (seconds, memory) is in `cost`: the
rest has the same bytes for the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dynfocus_cli.evaluation.report import ArmReport, Disagreement, Pair, Part, Report
from dynfocus_cli.evaluation.statistics import CONFIDENCE, RESAMPLES, Estimate, PairedDifference
from dynfocus_cli.evaluation.wording import headline
from dynfocus_cli.report.json import Record

EVALUATION = "dynfocus.evaluation/1"


def report_record(report: Report) -> Record:
    """Accuracies are in per cent, gains in points."""
    return {
        "schema": EVALUATION,
        "headline": headline(report),
        "benchmark": report.benchmark,
        "split": report.split,
        "metric": report.metric,
        "questions": report.questions,
        "videos": report.videos,
        "protocol": dict(report.settings),
        "statistics": {"interval": CONFIDENCE, "resamples": RESAMPLES, "drawn": "videos"},
        "arms": [_arm(arm) for arm in report.arms],
        "pairs": [_pair(pair) for pair in report.pairs],
        "disagreements": [_disagreement(one) for one in report.disagreements],
        "failures": [
            {
                "id": failure.id,
                "arm": failure.arm,
                "video": failure.video,
                "kind": failure.error.kind,
                "message": failure.error.message,
            }
            for failure in report.failures
        ],
        "problems": [
            {
                "id": problem.id,
                "message": problem.message,
                "video": None if problem.video is None else str(problem.video),
            }
            for problem in report.problems
        ],
        "missing_shards": list(report.missing_shards),
        "as_published": [
            {"source": row.source, "model": row.model, "figures": dict(row.figures)}
            for row in report.published
        ],
        "warnings": list(report.warnings),
        "cost": {arm.name: _cost(arm) for arm in report.arms},
    }


def difference_record(difference: PairedDifference) -> Record:
    """A paired comparison; `p` is of the exact McNemar test."""
    return {
        "questions": difference.gain.count,
        "first": _percent(difference.first),
        "second": _percent(difference.second),
        "gain": estimate_record(difference.gain),
        "only_first": difference.only_first,
        "only_second": difference.only_second,
        "mcnemar_p": None if difference.p is None else round(difference.p, 6),
    }


def estimate_record(estimate: Estimate | None) -> Record | None:
    """A mean and its interval in per cent; the interval is null where there is none."""
    if estimate is None:
        return None
    return {
        "value": _percent(estimate.value),
        "low": _percent(estimate.low),
        "high": _percent(estimate.high),
        "questions": estimate.count,
    }


def _percent(share: float | None) -> float | None:
    """Two decimals, never minus zero."""
    return None if share is None else round(100 * share, 2) + 0.0


def _arm(arm: ArmReport) -> Record:
    tokens, judgement = arm.tokens, arm.judgement
    return {
        "arm": arm.name,
        "questions": arm.questions,
        "scored": arm.scored,
        "unparsed": arm.unparsed,
        "failed": arm.failed,
        "missing": arm.missing,
        "accuracy": estimate_record(arm.accuracy),
        "accuracy_of_parsed": estimate_record(arm.accuracy_of_parsed),
        **(
            {"measures": {name: estimate_record(one) for name, one in arm.measures.items()}}
            if arm.measures
            else {}
        ),
        "figures": {name: round(value, 4) for name, value in arm.figures.items()},
        "tasks": _parts(arm.tasks),
        "durations": _parts(arm.durations),
        "tokens": tokens and {"mean": round(tokens.mean, 1), "most": tokens.most, "limit": tokens.limit},
        "judged": judgement
        and {
            "judge": judgement.judge,
            "prompts": judgement.prompts,
            "judged": judgement.judged,
            "problem": judgement.problem,
        },
    }


def _parts(parts: Iterable[Part]) -> list[Record]:
    return [{"name": part.name, "accuracy": estimate_record(part.accuracy)} for part in parts]


def _pair(pair: Pair) -> Record:
    return {"arm": pair.arm, "against": pair.against, **difference_record(pair.difference)}


def _disagreement(one: Disagreement) -> Record:
    return {
        "id": one.id,
        "video": one.video,
        "question": one.question,
        "task": one.task,
        "duration": one.duration,
        "options": dict(one.options),
        "answer": one.answer,
        "arms": [
            {
                "arm": outcome.arm,
                "response": outcome.response,
                "extracted": outcome.extracted,
                "score": round(outcome.score, 4),
                "tokens": outcome.tokens,
                "key_times_s": [round(time_s, 3) + 0.0 for time_s in outcome.key_times_s],
            }
            for outcome in one.outcomes
        ],
    }


def _cost(arm: ArmReport) -> Record:
    cost = arm.cost
    stages: dict[str, Any] = {stage: round(seconds, 4) for stage, seconds in cost.stages_s.items()}
    seconds = None if cost.seconds is None else round(cost.seconds, 4)
    return {"seconds_per_question": seconds, "stages_s": stages, "peak_memory": cost.peak_memory}
