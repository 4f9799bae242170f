"""How figures of a report are put into words, on the page and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from dynfocus_cli.evaluation.arms import ARMS
from dynfocus_cli.evaluation.benchmark import METRIC_TITLES
from dynfocus_cli.evaluation.moment_arms import MOMENT_ARMS
from dynfocus_cli.evaluation.report import REFERENCES, ArmReport, Pair, Report
from dynfocus_cli.evaluation.statistics import Estimate, PairedDifference

_TITLES = {name: arm.title for arms in (ARMS, MOMENT_ARMS) for name, arm in arms.items()}


def arm_title(name: str) -> str:
    """`even` -> `even frames`; an arm that is known no more is called by its name."""
    return _TITLES.get(name, name)


def percent(estimate: Estimate | None) -> str:
    """61.0 %"""
    return "–" if estimate is None else f"{100 * estimate.value:.1f} %"


def interval(estimate: Estimate | None) -> str:
    """57.1 to 64.9; empty where there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{_signless(estimate.low)} to {_signless(estimate.high)}"


def points(difference: PairedDifference) -> str:
    """+5.5"""
    return f"{round(100 * difference.gain.value, 1) + 0.0:+.1f}"


def _signless(share: float) -> str:
    """-0.04 is 0.0, not -0.0"""
    return f"{round(100 * share, 1) + 0.0:.1f}"


def p_value(p: float | None) -> str:
    """0.031; < 0.001"""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(difference: PairedDifference) -> str:
    """better, worse, or no difference shown"""
    if not difference.gain.excludes_zero:
        return "no difference shown"
    return "better" if difference.gain.value > 0 else "worse"


def counted(count: int, what: str, plural: str = "") -> str:
    """1 question, 2 questions"""
    return f"{count:,} {what if count == 1 else plural or f'{what}s'}"


OURS = ("dynfocus", "find")
"""The arms that a report is about, where it has them."""


def main_pair(report: Report) -> Pair | None:
    """The comparison that a report is about: of DynFocus or `find`, or else the first arm that has one, with
    even frames or windows, or else with any."""
    pairs = sorted(report.pairs, key=lambda pair: (pair.against not in REFERENCES, pair.arm not in OURS))
    return pairs[0] if pairs else None


def headline(report: Report) -> str:
    """The result in a sentence.

    DynFocus 61.0 %, even frames 55.5 %, at 320 tokens: +5.5 points (2.1 to 8.9).
    """
    pair = main_pair(report)
    if pair is not None:
        return _pair_sentence(report, pair)
    arm = next((arm for arm in report.arms if arm.accuracy is not None), None)
    if arm is not None:
        inside = interval(arm.accuracy)
        title = arm_title(arm.name)
        words = f"{title} {percent(arm.accuracy)}{f' ({inside})' if inside else ''}, of {scale(report)}."
        return words[0].upper() + words[1:]
    if report.questions == 0:
        return "No question was answered."
    answered = counted(report.questions, "question")
    return f"{answered} answered, none scored: the right answers, or a judge's verdicts, are not here."


def _pair_sentence(report: Report, pair: Pair) -> str:
    """Both accuracies are of the questions that both arms have scores for."""
    difference = pair.difference
    inside = interval(difference.gain)
    gain = f"{points(difference)} points{f' ({inside})' if inside else ''}"
    shown = gain if difference.gain.excludes_zero else f"no difference shown, {gain}"
    first = f"{arm_title(pair.arm)} {100 * difference.first:.1f} %"
    second = f"{arm_title(pair.against)} {100 * difference.second:.1f} %"
    what = f" {METRIC_TITLES['recall']}" if report.metric == "recall" else ""
    words = f"{first}, {second}{what}{_spent(report.arm(pair.arm), report.arm(pair.against))}: {shown}."
    return words[0].upper() + words[1:]


def _spent(first: ArmReport, second: ArmReport) -> str:
    """The tokens that both were allowed, or what each took where that is not the same."""
    if first.tokens is None or second.tokens is None:
        return ""
    if first.tokens.limit is not None and first.tokens.limit == second.tokens.limit:
        return f", at {counted(first.tokens.limit, 'token')}"
    return f", at {first.tokens.mean:,.0f} and {second.tokens.mean:,.0f} tokens"


def scale(report: Report) -> str:
    """2,700 questions about 900 videos"""
    what = ("query", "queries") if report.metric == "recall" else ("question", "questions")
    return f"{counted(report.questions, *what)} about {counted(report.videos, 'video')}"


def remarks(report: Report) -> Iterator[str]:
    """What the figures leave out, a sentence each."""
    for arm in report.arms:
        counts = {
            "response": (arm.unparsed, "without an answer that could be read, counted as wrong"),
            "failure": (arm.failed, "left out"),
            "question": (arm.missing, "not asked yet"),
        }
        if report.metric == "recall":
            counts["query"] = counts.pop("question")
        plurals = {"query": "queries"}
        clauses = [
            f"{counted(count, what, plurals.get(what, ''))} {how}"
            for what, (count, how) in counts.items()
            if count
        ]
        if arm.questions and arm.scored < arm.questions:
            clauses.append(f"{counted(arm.questions - arm.scored, 'answer')} not scored")
        if arm.judgement is not None and arm.judgement.problem:
            clauses.append(f"the judge gave no reply any more ({arm.judgement.problem})")
        if clauses:
            yield f"{arm.name}: {'; '.join(clauses)}."
    if report.problems:
        yield f"{counted(len(report.problems), 'question')} of the data could not be asked: see the report."
    total, asked = report.settings.get("questions"), report.asked
    if isinstance(total, int) and asked < total:
        what = "queries" if report.metric == "recall" else "questions"
        yield f"{asked} of the split's {total} {what} are done: the run was limited, or has not ended yet."
    for name in report.missing_shards:
        yield f"{name} is missing: questions that no other part has are in no figure."
    yield from report.warnings
