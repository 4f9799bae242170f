"""`dynfocus eval score`: from the predictions stored in a RUN folder to its report and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.errors import DynFocusError
from dynfocus_cli.evaluation.benchmark import Benchmark, find_benchmark
from dynfocus_cli.evaluation.item import Scored
from dynfocus_cli.evaluation.page import report_page
from dynfocus_cli.evaluation.report import Report, ScoredPrediction, make_report, score_prediction
from dynfocus_cli.evaluation.report_record import report_record
from dynfocus_cli.evaluation.run_folder import VERDICTS_FILE, StoredRun, read_run
from dynfocus_cli.evaluation.verdicts import Judgement, judge_arm
from dynfocus_cli.files import reason, write_atomically, write_json
from dynfocus_cli.progress import Progress, Silent

if TYPE_CHECKING:
    from dynfocus_cli.evaluation.judge import Judge

REPORT_FILE = "report.json"
PAGE_FILE = "report.html"
SUBMISSIONS = "submission"


def score_run(folder: Path, judge: Judge | None = None, progress: Progress | None = None) -> Report:
    """Scores all that is stored in a RUN folder; no model is asked again.

    Args:
        judge: is asked about answers that have no verdict yet; None: those stay without a score.

    Raises:
        UsageError: it is no such folder, or of a benchmark that there is not.
        DynFocusError: verdicts cannot be written.
    """
    run = read_run(folder)
    benchmark = find_benchmark(run.benchmark)
    by_arm, judgements = score_predictions(run, benchmark, judge, progress)
    return make_report(run, benchmark, by_arm, judgements)


def score_predictions(
    run: StoredRun, benchmark: Benchmark, judge: Judge | None = None, progress: Progress | None = None
) -> tuple[dict[str, list[ScoredPrediction]], dict[str, Judgement]]:
    """The scored predictions of each arm, ordered by id, and how far those that need a judge are judged.

    Raises:
        UsageError: the judge cannot be used, or the stored verdicts are none.
        DynFocusError: verdicts cannot be written.
    """
    by_arm, judgements = {}, {}
    for arm in run.arms:
        predictions = [score_prediction(benchmark, stored, run.protocol) for stored in run.of_arm(arm)]
        if benchmark.judged:
            scored, judgements[arm] = judge_arm(
                benchmark,
                _without_scores_of_judged(benchmark, [one.scored for one in predictions]),
                run.folder / VERDICTS_FILE,
                judge,
                progress or Silent(),
            )
            predictions = [
                replace(one, scored=judged) for one, judged in zip(predictions, scored, strict=True)
            ]
        by_arm[arm] = predictions
    return by_arm, judgements


def _without_scores_of_judged(benchmark: Benchmark, scored: Sequence[Scored]) -> list[Scored]:
    """Predictions that a judge is asked about have no score until it gives one."""
    prompts = benchmark.judge_prompts([one.prediction for one in scored])
    judged = {item for prompt in prompts for item in prompt.items}
    return [replace(one, score=None) if one.prediction.item.id in judged else one for one in scored]


def write_report(report: Report, folder: Path) -> None:
    """Writes `report.json`, `report.html`, and each arm's files for the benchmark's own scorer.

    Raises:
        DynFocusError: they cannot be written.
    """
    try:
        write_json(folder / REPORT_FILE, report_record(report))
        # A file name in it need not be valid text.
        write_atomically(folder / PAGE_FILE, report_page(report, folder).encode("utf-8", "replace"))
        for arm, submission in report.submissions.items():
            for name, content in submission.items():
                file = folder / SUBMISSIONS / arm / name
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, content)
    except OSError as error:
        raise DynFocusError(f"The report cannot be written to {folder}: {reason(error)}.") from error
