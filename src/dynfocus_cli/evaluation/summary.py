"""A report, or a comparison of runs, as lines for a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dynfocus_cli.evaluation.comparison import Comparison, RunArm
from dynfocus_cli.evaluation.report import REFERENCES, ArmReport, Report
from dynfocus_cli.evaluation.statistics import Estimate, PairedDifference
from dynfocus_cli.evaluation.wording import headline, interval, p_value, percent, points, remarks, scale

MAX_VALUE = 60
"""Characters of a setting's value that are shown."""


def summary_lines(report: Report) -> list[str]:
    """The headline, a line of at most 80 characters an arm, and what did not go as it should."""
    rows = _measure_rows(report) if report.metric == "recall" else _answer_rows(report)
    return [headline(report), "", *_aligned(rows), "", f"{scale(report)}.", *remarks(report)]


def comparison_lines(comparison: Comparison) -> list[str]:
    """A line for each arm that is compared, then the settings in which the runs differ."""
    heading = ["run", comparison.metric, "against", comparison.metric, "gain", "p", "questions"]
    rows = [heading]
    for pair in comparison.pairs:
        difference = pair.difference
        rows.append(
            [
                _run_arm(pair.second),
                f"{100 * difference.first:.1f} %",
                _run_arm(pair.first),
                f"{100 * difference.second:.1f} %",
                _gain(difference),
                p_value(difference.p),
                str(difference.gain.count),
            ]
        )
    lines = _aligned(rows)
    if comparison.differences:
        lines += ["", "The runs differ in:"]
        lines += [
            f"  {one.name}: {', '.join(_shown(value) for value in one.values)}"
            for one in comparison.differences
        ]
    return lines


def _answer_rows(report: Report) -> list[list[str]]:
    heading = ["arm", "accuracy", "95 %", f"gain on {_reference(report)}", "p", "tokens", "s each"]
    return [heading, *(_arm_row(report, arm) for arm in report.arms)]


def _measure_rows(report: Report) -> list[list[str]]:
    """A row a measure, and a column an arm: the mean in per cent, and its interval to the whole per cent."""
    names = dict.fromkeys(name for arm in report.arms for name in arm.measures)
    rows = [["%", *(arm.name for arm in report.arms)]]
    for name in names:
        rows.append([name, *(_measure(arm.measures.get(name)) for arm in report.arms)])
    seconds = ["–" if arm.cost.seconds is None else f"{arm.cost.seconds:.2f}" for arm in report.arms]
    return [*rows, ["s each", *seconds]]


def _measure(estimate: Estimate | None) -> str:
    """88.1 (85 to 91)"""
    if estimate is None:
        return "–"
    value = f"{100 * estimate.value:.1f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def _reference(report: Report) -> str:
    """The arm that the column of gains compares with."""
    names = [arm.name for arm in report.arms]
    return next((name for name in REFERENCES if name in names), names[0] if names else REFERENCES[0])


def _arm_row(report: Report, arm: ArmReport) -> list[str]:
    pair = report.pair(arm.name, _reference(report))
    tokens = "–" if arm.tokens is None else f"{arm.tokens.mean:,.0f}"
    if arm.tokens is not None and arm.tokens.limit is not None:
        tokens += f"/{arm.tokens.limit:,}"
    return [
        arm.name,
        percent(arm.accuracy),
        interval(arm.accuracy) or "–",
        "–" if pair is None else _gain(pair.difference),
        "–" if pair is None else p_value(pair.difference.p).replace(" ", ""),
        tokens,
        "–" if arm.cost.seconds is None else f"{arm.cost.seconds:.2f}",
    ]


def _gain(difference: PairedDifference) -> str:
    """+5.5 (2.1 to 8.9)"""
    inside = interval(difference.gain)
    return points(difference) + (f" ({inside})" if inside else "")


def _run_arm(one: RunArm) -> str:
    return f"{one.run} {one.arm}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns two spaces apart, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
