"""What workers do for `eval run`, without an engine: the records of one process."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.batch.video_work import WorkerSetup
from dynfocus_cli.batch.video_worker import VideoWorker
from dynfocus_cli.cli.app import app
from dynfocus_cli.cli.errors import failure_of
from dynfocus_cli.cli.evaluate_by_ray import SharedEvaluation
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.options import ModelRequest
from dynfocus_cli.evaluation.benchmark import QuestionBenchmark, benchmark_names, find_benchmark
from dynfocus_cli.evaluation.benchmarks.file import OwnQuestions
from dynfocus_cli.evaluation.moment_executor import MomentExecutor
from dynfocus_cli.evaluation.question_executor import QuestionExecutor
from dynfocus_cli.evaluation.records import Conditions
from dynfocus_cli.evaluation.runner import Evaluation
from dynfocus_cli.evaluation.step import Executor
from dynfocus_cli.evaluation.step_work import StepWork
from dynfocus_cli.options import RunOptions

TINY = ModelRequest(name="dynfocus-tiny", device="cpu")


def executor(name: str) -> Executor:
    benchmark = OwnQuestions(Path("questions.jsonl")) if name == "file" else find_benchmark(name)
    conditions = Conditions(benchmark, benchmark.splits[0], "official", benchmark.scoring)
    if isinstance(benchmark, QuestionBenchmark):
        return QuestionExecutor(conditions, RunOptions(), result_with_flags)
    return MomentExecutor(conditions, RunOptions())


@pytest.mark.parametrize("name", benchmark_names())
def test_every_benchmark_crosses_machines(name: str) -> None:
    work = pickle.loads(pickle.dumps(StepWork(executor(name), ("even",), TINY.load)))
    assert work.executor.conditions.benchmark.name == name


def records(file: Path) -> list[dict[str, Any]]:
    """Sorted by key, without what differs between two runs of one process."""
    made = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for record in made:
        record.pop("timings_s", None)
    return sorted(made, key=lambda record: (record["key"], record["id"], record["arm"]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "limit"), [("synth", 3), ("synth-moments", 3)])
def test_a_worker_makes_the_records_of_one_process(
    tmp_path: Path, name: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--limit", str(limit), "--output", "alone", "--data", "clips", "--model", TINY.name or ""]
    done = CliRunner().invoke(app, ["eval", "run", name, *flags, "--device", "cpu"])
    assert done.exit_code == 0, done.stderr
    own = executor(name)
    spec = TINY.spec()
    items = own.conditions.benchmark.read(Path("clips"), own.conditions.split).items[:limit]
    arms = own.arms(None, spec)
    evaluation = Evaluation(own, items, arms)
    work = pickle.loads(pickle.dumps(StepWork(own, tuple(arm.name for arm in arms), TINY.load)))
    worker = VideoWorker(WorkerSetup(work, failure_of, {}, str(tmp_path)))
    assert isinstance(worker.load(), float)
    with ResultFile("shared.jsonl") as results:
        results.resume(evaluation.settings(spec))
        run = SharedEvaluation(evaluation, results)
        for task in run.tasks():
            run.take(worker.answer(task))
        assert (run.done, run.total, run.failed) == (limit * len(arms), limit * len(arms), 0)
        again = SharedEvaluation(evaluation, results)
        assert (list(again.tasks()), again.done) == ([], again.total)
    assert records(Path("shared.jsonl")) == records(Path("alone") / "predictions.jsonl")
