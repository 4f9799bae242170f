"""`report.html`: a report as one page that needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation import wording
from dynfocus_cli.evaluation.benchmark import METRIC_TITLES
from dynfocus_cli.evaluation.report import Disagreement, Pair, Part, Report
from dynfocus_cli.evaluation.scatter import scatter
from dynfocus_cli.evaluation.settings import flat_settings
from dynfocus_cli.evaluation.statistics import CONFIDENCE, RESAMPLES, Estimate
from dynfocus_cli.report.page import link_to, page_environment

TEMPLATE = "report.html.j2"

COLOURS = 6
"""Of arms; more arms begin anew."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval on a scale, in per cent of the scale's width."""

    at: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Gains:
    """The paired gains of a report on a scale of their own, with zero in the middle."""

    rows: tuple[tuple[Pair, Mark], ...]
    most: float
    """Points at either end of the scale."""


def report_page(report: Report, folder: Path) -> str:
    """The page as HTML, for a file in `folder`: links to videos are relative to that.

    All that is not ours is escaped, and the page has no script.
    """
    template = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = page_environment()
    environment.filters["percent"] = wording.percent
    environment.filters["interval"] = wording.interval
    environment.filters["p_value"] = wording.p_value
    environment.filters["points"] = wording.points
    environment.filters["verdict"] = wording.verdict
    environment.filters["title"] = wording.arm_title
    environment.filters["mark"] = _accuracy_mark
    environment.filters["figure"] = lambda value: "–" if value is None else f"{value:.1f}"
    environment.filters["shown"] = _shown
    return environment.from_string(template).render(
        of=report,
        headline=wording.headline(report),
        scale=wording.scale(report),
        remarks=list(wording.remarks(report)),
        colours={arm.name: place % COLOURS for place, arm in enumerate(report.arms)},
        scatter=scatter(report.arms),
        gains=_gains(report.pairs),
        groups=[
            ("task", _by_part([(arm.name, arm.tasks) for arm in report.arms])),
            ("video length", _by_part([(arm.name, arm.durations) for arm in report.arms])),
        ],
        measures=list(dict.fromkeys(name for arm in report.arms for name in arm.measures)),
        metric_title=METRIC_TITLES[report.metric],
        figures=_figure_names(report),
        disagreements=_disagreements(report),
        links={one.video: link_to(one.video, folder / TEMPLATE) for one in report.disagreements},
        protocol=[
            (name, value) for name, value in flat_settings(report.settings) if value not in (None, "", [], ())
        ],
        confidence=round(100 * CONFIDENCE),
        resamples=RESAMPLES,
    )


def _accuracy_mark(estimate: Estimate) -> Mark:
    def place(share: float | None) -> float | None:
        return None if share is None else round(100 * min(1, max(0, share)), 2)

    return Mark(place(estimate.value) or 0.0, place(estimate.low), place(estimate.high))


def _gains(pairs: Sequence[Pair]) -> Gains:
    ends = [
        abs(value)
        for pair in pairs
        for value in (pair.difference.gain.value, pair.difference.gain.low, pair.difference.gain.high)
        if value is not None
    ]
    most = max(5, 5 * math.ceil(100 * max(ends, default=0) / 5))

    def place(share: float | None) -> float | None:
        return None if share is None else round(50 + 50 * 100 * share / most, 2)

    rows = []
    for pair in pairs:
        gain = pair.difference.gain
        rows.append((pair, Mark(place(gain.value) or 0.0, place(gain.low), place(gain.high))))
    return Gains(tuple(rows), most)


def _by_part(arms: Iterable[tuple[str, Sequence[Part]]]) -> dict[str, list[tuple[str, Estimate]]]:
    """Name of a task -> each arm's accuracy on it."""
    parts: dict[str, list[tuple[str, Estimate]]] = {}
    for arm, of_arm in arms:
        for part in of_arm:
            parts.setdefault(part.name, []).append((arm, part.accuracy))
    return dict(sorted(parts.items()))


def _figure_names(report: Report) -> list[str]:
    """All figures of arms and published rows, in the benchmark's order."""
    rows: list[Mapping[str, float]] = [arm.figures for arm in report.arms]
    rows += [row.figures for row in report.published]
    return list(dict.fromkeys(name for row in rows for name in row))


def _disagreements(report: Report) -> list[tuple[str, list[Disagreement]]]:
    """Heading and questions: those that one arm of the main comparison has right, the other, and the rest."""
    pair = wording.main_pair(report)
    if pair is None:
        return []
    better: list[Disagreement] = []
    worse: list[Disagreement] = []
    others: list[Disagreement] = []
    for one in report.disagreements:
        scores = {outcome.arm: outcome.score for outcome in one.outcomes}
        difference = scores.get(pair.arm, 0) - scores.get(pair.against, 0)
        if pair.arm not in scores or pair.against not in scores or difference == 0:
            others.append(one)
        else:
            (better if difference > 0 else worse).append(one)
    arm, against = wording.arm_title(pair.arm), wording.arm_title(pair.against)
    how = {"accuracy": "has right", "score": "answers better", "recall": "finds"}[report.metric]
    headed = [
        (f"{arm} {how}, {against} not", better),
        (f"{against} {how}, {arm} not", worse),
        ("other arms differ", others),
    ]
    return [(heading[0].upper() + heading[1:], questions) for heading, questions in headed if questions]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
