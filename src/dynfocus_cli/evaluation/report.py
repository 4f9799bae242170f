"""What a run came to: each arm's accuracy and cost, and paired comparisons of arms at equal tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dynfocus_cli.evaluation.benchmark import Benchmark, Metric, Protocol, PublishedRow
from dynfocus_cli.evaluation.item import Problem, Scored
from dynfocus_cli.evaluation.run_folder import StoredFailure, StoredPrediction, StoredRun
from dynfocus_cli.evaluation.statistics import (
    Estimate,
    PairedDifference,
    mean_with_interval,
    paired_difference,
)
from dynfocus_cli.evaluation.verdicts import Judgement

REFERENCES = ("even", "windows")
"""The arms that every other one is compared with: frames, or windows, that are evenly spaced."""


@dataclass(frozen=True, slots=True)
class ScoredPrediction:
    """A stored prediction with what its benchmark makes of it."""

    stored: StoredPrediction
    scored: Scored


@dataclass(frozen=True, slots=True)
class Part:
    """The questions of one task, or about videos of one class of length."""

    name: str
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class TokensSpent:
    """Video tokens that one arm took, over its questions."""

    mean: float
    most: int
    limit: int | None
    """The largest that a question allowed; None for an arm without a limit."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one arm took of the machine; differs from run to run."""

    seconds: float | None
    """Mean of a question."""
    stages_s: Mapping[str, float]
    """Mean seconds of each stage of a question, but the total."""
    peak_memory: int | None
    """The most bytes that a question took, where that was measured."""


@dataclass(frozen=True, slots=True)
class ArmReport:
    """What one arm came to."""

    name: str
    questions: int
    """Those that it answered."""
    scored: int
    """Of those, how many have a known answer or a verdict."""
    unparsed: int
    """Of the scored ones, those in whose response no answer was found."""
    failed: int
    missing: int
    """Questions that another arm answered and this one neither answered nor failed at."""
    accuracy: Estimate | None
    """Over all scored questions; an unparsed one is wrong."""
    accuracy_of_parsed: Estimate | None
    """Over the parsed ones alone."""
    measures: Mapping[str, Estimate]
    """Name -> mean of what is measured beside the score; of moments, in the order of its benchmark."""
    figures: Mapping[str, float]
    """The benchmark's own."""
    tasks: tuple[Part, ...]
    durations: tuple[Part, ...]
    tokens: TokensSpent | None
    judgement: Judgement | None
    """None where no judge is needed."""
    cost: Cost


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms on the questions that both have scores for."""

    arm: str
    against: str
    difference: PairedDifference


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one arm made of a question."""

    arm: str
    response: str
    extracted: str | None
    score: float
    tokens: int | None
    """Video tokens; None where no language model was asked."""
    key_times_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that some arms have right and others wrong."""

    id: str
    video: str
    question: str
    task: str
    duration: str
    options: Mapping[str, str]
    answer: str | None
    outcomes: tuple[Outcome, ...]
    """In the order of the arms."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to."""

    benchmark: str
    title: str
    """What the benchmark is, in a line."""
    split: str
    settings: Mapping[str, Any]
    """The protocol block: all that the figures depend on."""
    metric: Metric
    questions: int
    """Those that some arm answered."""
    asked: int
    """Those that some arm answered or failed at."""
    videos: int
    arms: tuple[ArmReport, ...]
    pairs: tuple[Pair, ...]
    disagreements: tuple[Disagreement, ...]
    failures: tuple[StoredFailure, ...]
    problems: tuple[Problem, ...]
    missing_shards: tuple[str, ...]
    published: tuple[PublishedRow, ...]
    """Rows of published tables: not measured here."""
    submissions: Mapping[str, Mapping[str, bytes]]
    """Arm -> the files that the benchmark's own scorer takes of it, by name."""
    warnings: tuple[str, ...]

    def arm(self, name: str) -> ArmReport:
        """The arm of that name. Raises KeyError."""
        return next(arm for arm in self.arms if arm.name == name)

    def pair(self, arm: str, against: str) -> Pair | None:
        """The comparison of two arms in this order, if there is one."""
        return next((pair for pair in self.pairs if (pair.arm, pair.against) == (arm, against)), None)


def score_prediction(benchmark: Benchmark, stored: StoredPrediction, protocol: Protocol) -> ScoredPrediction:
    """Scores one prediction by what is stored of it alone."""
    return ScoredPrediction(stored, benchmark.score(stored.prediction, protocol, stored.scoring))


def make_report(
    run: StoredRun,
    benchmark: Benchmark,
    by_arm: Mapping[str, Sequence[ScoredPrediction]],
    judgements: Mapping[str, Judgement],
) -> Report:
    """The report of a run whose predictions are scored.

    Args:
        by_arm: the predictions of each arm, ordered by id.
        judgements: how far those of each arm are judged, of a benchmark with a judge.
    """
    everything = [one.stored for predictions in by_arm.values() for one in predictions]
    ids = {stored.id for stored in everything}
    scores = [one.scored.score for predictions in by_arm.values() for one in predictions]
    binary = {score for score in scores if score is not None} <= {0.0, 1.0}
    return Report(
        benchmark=run.benchmark,
        title=benchmark.title,
        split=run.split,
        settings=run.settings,
        metric="recall" if benchmark.scoring == "moments" else "accuracy" if binary else "score",
        questions=len(ids),
        asked=len(ids | {failure.id for failure in run.failures}),
        videos=len({stored.video for stored in everything}),
        arms=tuple(
            _arm(arm, by_arm.get(arm, ()), ids, run, benchmark, judgements.get(arm)) for arm in run.arms
        ),
        pairs=tuple(_pairs(run.arms, by_arm)),
        disagreements=tuple(_disagreements(by_arm)),
        failures=run.failures,
        problems=run.problems,
        missing_shards=run.missing_shards,
        published=benchmark.published,
        submissions={
            arm: benchmark.submission([one.scored for one in predictions])
            for arm, predictions in by_arm.items()
            if predictions
        },
        warnings=run.warnings,
    )


def _arm(
    name: str,
    predictions: Sequence[ScoredPrediction],
    ids: set[str],
    run: StoredRun,
    benchmark: Benchmark,
    judgement: Judgement | None,
) -> ArmReport:
    scored = [one for one in predictions if one.scored.score is not None or one.scored.measures]
    parsed = [one for one in scored if one.scored.extracted is not None]
    failed = {failure.id for failure in run.failures if failure.arm == name}
    answered = {one.stored.id for one in predictions}
    figures = benchmark.summarise([one.scored for one in predictions], run.protocol) if scored else {}
    return ArmReport(
        name=name,
        questions=len(predictions),
        scored=len(scored),
        unparsed=len(scored) - len(parsed),
        failed=len(failed),
        missing=len(ids - answered - failed),
        accuracy=_accuracy(scored),
        accuracy_of_parsed=_accuracy(parsed),
        measures=_measures(scored, benchmark.measures),
        figures=figures,
        tasks=_parts(scored, lambda stored: stored.task),
        durations=_parts(scored, lambda stored: stored.duration),
        tokens=_tokens([one.stored for one in predictions]),
        judgement=judgement,
        cost=_cost([one.stored for one in predictions]),
    )


def _accuracy(scored: Sequence[ScoredPrediction]) -> Estimate | None:
    known = [(one.scored.score, one.stored.video) for one in scored if one.scored.score is not None]
    return mean_with_interval([score for score, _ in known], [video for _, video in known])


def _measures(scored: Sequence[ScoredPrediction], names: Sequence[str]) -> dict[str, Estimate]:
    """The mean of each measure over the items that have it."""
    estimates = {}
    for name in names:
        known = [
            (one.scored.measures[name], one.stored.video) for one in scored if name in one.scored.measures
        ]
        estimate = mean_with_interval([value for value, _ in known], [video for _, video in known])
        if estimate is not None:
            estimates[name] = estimate
    return estimates


def _parts(
    scored: Sequence[ScoredPrediction], name_of: Callable[[StoredPrediction], str]
) -> tuple[Part, ...]:
    """The accuracy of each part that has a name, in alphabetical order."""
    names = sorted({name_of(one.stored) for one in scored} - {""})
    parts = []
    for name in names:
        accuracy = _accuracy([one for one in scored if name_of(one.stored) == name])
        if accuracy is not None:
            parts.append(Part(name, accuracy))
    return tuple(parts)


def _tokens(predictions: Sequence[StoredPrediction]) -> TokensSpent | None:
    spent = [stored.tokens for stored in predictions if stored.tokens is not None]
    if not spent:
        return None
    counts = [tokens.video for tokens in spent]
    limits = [tokens.limit for tokens in spent if tokens.limit is not None]
    return TokensSpent(sum(counts) / len(counts), max(counts), max(limits, default=None))


def _cost(predictions: Sequence[StoredPrediction]) -> Cost:
    stages: dict[str, list[float]] = {}
    for stored in predictions:
        for stage, seconds in stored.timings_s.items():
            if seconds is not None:
                stages.setdefault(stage, []).append(seconds)
    means = {stage: sum(seconds) / len(seconds) for stage, seconds in sorted(stages.items())}
    memory = [stored.peak_memory for stored in predictions if stored.peak_memory is not None]
    return Cost(means.pop("total", None), means, max(memory, default=None))


def _pairs(arms: Sequence[str], by_arm: Mapping[str, Sequence[ScoredPrediction]]) -> Iterable[Pair]:
    """Each arm against the evenly spaced one, and against the first; two arms are compared once."""
    compared: set[frozenset[str]] = set()
    for against in [*REFERENCES, *arms[:1]]:
        for arm in arms:
            if arm == against or frozenset((arm, against)) in compared:
                continue
            difference = paired_scores(by_arm.get(arm, ()), by_arm.get(against, ()))
            if difference is not None:
                compared.add(frozenset((arm, against)))
                yield Pair(arm, against, difference)


def paired_scores(
    first: Iterable[ScoredPrediction], second: Iterable[ScoredPrediction]
) -> PairedDifference | None:
    """Compares predictions on the questions for which both have a score; None where there is none."""
    others = {one.stored.id: one.scored.score for one in second if one.scored.score is not None}
    mine = [one for one in first if one.scored.score is not None and one.stored.id in others]
    return paired_difference(
        [one.scored.score or 0.0 for one in mine],
        [others[one.stored.id] for one in mine],
        [one.stored.video for one in mine],
    )


def _disagreements(by_arm: Mapping[str, Sequence[ScoredPrediction]]) -> Iterable[Disagreement]:
    """Questions for which two arms have other scores, ordered by id."""
    every = [one for predictions in by_arm.values() for one in predictions if one.scored.score is not None]
    every.sort(key=lambda one: one.stored.id)  # stable: the arms stay in their order
    for id, group in groupby(every, key=lambda one: one.stored.id):
        outcomes = tuple(group)
        if len({one.scored.score for one in outcomes}) < 2:
            continue
        stored = outcomes[0].stored
        yield Disagreement(
            id=id,
            video=stored.video,
            question=stored.question,
            task=stored.task,
            duration=stored.duration,
            options=stored.options,
            answer=outcomes[0].scored.prediction.item.answer,
            outcomes=tuple(_outcome(one) for one in outcomes),
        )


def _outcome(one: ScoredPrediction) -> Outcome:
    return Outcome(
        arm=one.stored.arm,
        response=one.scored.prediction.response,
        extracted=one.scored.extracted,
        score=one.scored.score or 0.0,
        tokens=one.stored.tokens.video if one.stored.tokens else None,
        key_times_s=one.stored.key_times_s,
    )
