"""`dynfocus eval compare`: the answers of several runs to the same questions, paired."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import METRIC_TITLES, Benchmark, find_benchmark
from dynfocus_cli.evaluation.report import ScoredPrediction, paired_scores
from dynfocus_cli.evaluation.report_record import difference_record
from dynfocus_cli.evaluation.run_folder import StoredPrediction, StoredRun, read_run
from dynfocus_cli.evaluation.scoring import score_predictions
from dynfocus_cli.evaluation.settings import SettingDifference, setting_differences
from dynfocus_cli.evaluation.statistics import PairedDifference
from dynfocus_cli.report.json import Record

COMPARISON = "dynfocus.comparison/1"


@dataclass(frozen=True, slots=True)
class RunArm:
    """One arm of one run."""

    run: str
    """The run's folder."""
    arm: str
    tokens: float | None
    """Video tokens, the mean of the questions that are compared; None where no language model was asked."""


@dataclass(frozen=True, slots=True)
class RunPair:
    """An arm of a later run, and one of the first run, on the questions that both have scores for."""

    second: RunArm
    first: RunArm
    difference: PairedDifference
    """Of the later run minus the first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one split of one benchmark, each compared with the first."""

    benchmark: str
    split: str
    runs: tuple[str, ...]
    questions: int
    """Those that all runs have."""
    metric: str
    """What is compared, as a column's heading."""
    pairs: tuple[RunPair, ...]
    differences: tuple[SettingDifference, ...]


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Compares each run with the first one: arms of the same name, or the runs' first arms where none is.

    Raises:
        UsageError: there are fewer than two runs, or they have nothing to compare.
    """
    if len(folders) < 2:
        raise UsageError("A comparison needs two runs or more.")
    runs = [read_run(folder) for folder in folders]
    first = runs[0]
    for run in runs[1:]:
        if (run.benchmark, run.split) != (first.benchmark, first.split):
            raise UsageError(
                f"{first.folder} is of {first.benchmark} ({first.split}) and {run.folder} of {run.benchmark} "
                f"({run.split}): only runs of the same questions can be compared."
            )
    benchmark = find_benchmark(first.benchmark)
    questions = [{_question(stored, benchmark) for stored in run.predictions} for run in runs]
    for run, theirs in zip(runs[1:], questions[1:], strict=True):
        if not questions[0] & theirs:
            raise UsageError(f"{first.folder} and {run.folder} have no question in common.")
    scored = [score_predictions(run, benchmark)[0] for run in runs]
    pairs = [
        pair
        for run, by_arm in zip(runs[1:], scored[1:], strict=True)
        for pair in _pairs(benchmark, first, scored[0], run, by_arm)
    ]
    if not pairs:
        raise UsageError("None of the questions that these runs have in common is scored.")
    return Comparison(
        benchmark=first.benchmark,
        split=first.split,
        runs=tuple(str(run.folder) for run in runs),
        questions=len(set.intersection(*questions)),
        metric=METRIC_TITLES["recall"] if benchmark.scoring == "moments" else METRIC_TITLES["accuracy"],
        pairs=tuple(pairs),
        differences=_differences(runs),
    )


def comparison_record(comparison: Comparison) -> Record:
    """Accuracies are in per cent, gains in points, of the later run over the first."""
    return {
        "schema": COMPARISON,
        "benchmark": comparison.benchmark,
        "split": comparison.split,
        "runs": list(comparison.runs),
        "questions": comparison.questions,
        "pairs": [
            {
                "run": pair.second.run,
                "arm": pair.second.arm,
                "tokens": _rounded(pair.second.tokens),
                "against_run": pair.first.run,
                "against_arm": pair.first.arm,
                "against_tokens": _rounded(pair.first.tokens),
                **difference_record(pair.difference),
            }
            for pair in comparison.pairs
        ],
        "differences": [{"name": one.name, "values": list(one.values)} for one in comparison.differences],
    }


def _rounded(tokens: float | None) -> float | None:
    return None if tokens is None else round(tokens, 1)


def _pairs(
    benchmark: Benchmark,
    first: StoredRun,
    first_by_arm: Mapping[str, Sequence[ScoredPrediction]],
    run: StoredRun,
    by_arm: Mapping[str, Sequence[ScoredPrediction]],
) -> Iterator[RunPair]:
    ours = [arm for arm in first.arms if first_by_arm.get(arm)]
    theirs = [arm for arm in run.arms if by_arm.get(arm)]
    both = [(arm, arm) for arm in ours if arm in theirs]
    for first_arm, arm in both or zip(ours[:1], theirs[:1], strict=True):
        shared = _shared(benchmark, first_by_arm[first_arm], by_arm[arm])
        difference = paired_scores(shared[1], shared[0])
        if difference is not None:
            yield RunPair(
                second=RunArm(str(run.folder), arm, _mean_tokens(shared[1])),
                first=RunArm(str(first.folder), first_arm, _mean_tokens(shared[0])),
                difference=difference,
            )


def _question(stored: StoredPrediction, benchmark: Benchmark) -> Hashable:
    """What is equal for predictions of the same question: its id, its words, the options, the right answer,
    and the name of the video's file where the question gives it."""
    item = stored.prediction.item
    options = tuple((option.letter, option.text) for option in item.options)
    video = item.video.name if benchmark.names_files else ""
    return item.id, item.question, options, item.answer, video


def _shared(
    benchmark: Benchmark, first: Sequence[ScoredPrediction], second: Sequence[ScoredPrediction]
) -> tuple[list[ScoredPrediction], list[ScoredPrediction]]:
    """The predictions of both for the same scored questions."""

    def by_question(predictions: Sequence[ScoredPrediction]) -> dict[Hashable, ScoredPrediction]:
        return {_question(one.stored, benchmark): one for one in predictions if one.scored.score is not None}

    ours, theirs = by_question(first), by_question(second)
    questions = [question for question in ours if question in theirs]
    return [ours[question] for question in questions], [theirs[question] for question in questions]


def _mean_tokens(predictions: Sequence[ScoredPrediction]) -> float | None:
    spent = [one.stored.tokens.video for one in predictions if one.stored.tokens is not None]
    return sum(spent) / len(spent) if spent else None


def _differences(runs: Sequence[StoredRun]) -> tuple[SettingDifference, ...]:
    """The settings in which the runs differ, in alphabetical order."""
    differences = setting_differences([run.settings for run in runs])
    return tuple(sorted(differences, key=lambda difference: difference.name))
