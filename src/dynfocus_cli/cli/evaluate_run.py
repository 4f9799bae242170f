"""`dynfocus eval run` at work, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.each import say_empty
from dynfocus_cli.cli.errors import failure_of, say, trace
from dynfocus_cli.cli.flag_names import result_with_flags
from dynfocus_cli.cli.interrupts import interruptible, uninterrupted
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.cli.output import write_line, write_record
from dynfocus_cli.cli.tally import Tally
from dynfocus_cli.errors import SomeVideosFailed, UsageError, VideoUnreadable
from dynfocus_cli.evaluation.benchmark import Benchmark, Protocol, QuestionBenchmark, Scoring
from dynfocus_cli.evaluation.moment_executor import MomentExecutor
from dynfocus_cli.evaluation.question_executor import QuestionExecutor
from dynfocus_cli.evaluation.records import Conditions, predictions_file, run_record, write_run_file
from dynfocus_cli.evaluation.runner import Evaluation, by_video, video_of
from dynfocus_cli.evaluation.sources import open_benchmark, read_split
from dynfocus_cli.evaluation.step import Executor, Step
from dynfocus_cli.evaluation.wording import counted
from dynfocus_cli.flags import values_of
from dynfocus_cli.options import RunOptions

if TYPE_CHECKING:
    from dynfocus_cli.evaluation.item import Dataset
    from dynfocus_cli.evaluation.judge import Judge
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.progress import Progress


MODEL_FIELDS = ("name", "backend", "revision", "config", "quantization", "selector", "device")
"""Of a model, in `run.json`."""
SHOWN_PROBLEMS = 5
"""Of a data set, in a message."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What `eval run` is told beside model and options."""

    benchmark: str
    """A name, or the path of a file."""
    output: Path
    data: Path | None
    split: str | None
    arms: str | None
    tokens: int | None
    protocol: Protocol
    scoring: Scoring | None
    subtitles: bool
    limit: int | None
    shard: Shard
    retry_failed: bool


def evaluate(
    request: RunRequest,
    model: ModelRequest,
    options: RunOptions,
    engine: EngineOptions,
    judge: Judge | None,
    *,
    json: bool,
    quiet: bool,
) -> None:
    """Runs what `request` asks for, and scores it at the end.

    Raises:
        UsageError: a benchmark, split, protocol, arm or option that there is not, or a folder of another run.
        VideoUnreadable: no question can be asked, or all failed for want of their videos.
        SomeVideosFailed: some failed.
    """
    benchmark = open_benchmark(request.benchmark)
    if request.protocol not in benchmark.protocols:
        raise UsageError(
            f"{benchmark.name} has no protocol {request.protocol}: take one of "
            f"{', '.join(benchmark.protocols)}."
        )
    split = request.split or benchmark.splits[0]
    dataset = read_split(benchmark, request.data, split, request.output)
    if not dataset.items:
        _say_problems(dataset)
        raise VideoUnreadable("There is no question that could be asked.")
    executor = _executor(benchmark, split, request, options)
    spec = model.spec()
    arms = executor.arms(_names(request.arms), spec)
    shard = request.shard
    items = by_video(shard.part(dataset.items[: request.limit], video_of))
    evaluation = Evaluation(executor, items, arms, request.retry_failed)
    info = spec.info
    record = run_record(
        executor.conditions,
        dataset,
        [arm.name for arm in arms],
        {name: getattr(info, name) for name in MODEL_FIELDS},
        {
            flag.key: value
            for flag, value in values_of(options)
            if flag.affects_result and value != flag.default
        },
        executor.settings(spec),
    )
    write_run_file(request.output, record)
    _say_problems(dataset)
    path = str(request.output / predictions_file(shard))
    with _opened(path, evaluation.settings(spec), quiet=quiet) as results:
        if not items:
            results.stays_empty = True
            return say_empty(shard, quiet=quiet)
        if engine.engine == "ray":
            from dynfocus_cli.cli.evaluate_by_ray import evaluate_by_ray

            failures = evaluate_by_ray(evaluation, model, results, engine, quiet=quiet)
        else:
            failures = _run(evaluation, model, results, quiet=quiet)
    show_scores(request.output, judge, json=json, quiet=quiet)
    _conclude(evaluation.steps, failures, len(dataset.problems))


def _executor(benchmark: Benchmark, split: str, request: RunRequest, options: RunOptions) -> Executor:
    """What does with the benchmark's items what it asks for.

    Raises:
        UsageError: an option is not for such a benchmark.
    """
    conditions = Conditions(
        benchmark,
        split,
        request.protocol,
        request.scoring or benchmark.scoring,
        request.tokens,
        request.subtitles,
    )
    if isinstance(benchmark, QuestionBenchmark):
        return QuestionExecutor(conditions, options, result_with_flags)
    given = {"tokens": request.tokens, "subtitles": request.subtitles, "scoring": request.scoring}
    for name, value in given.items():
        if value:
            raise UsageError(
                f"`{name}` is for benchmarks of questions: {benchmark.name} has queries for moments, and no "
                "language model is asked."
            )
    return MomentExecutor(conditions, options)


@contextmanager
def _opened(path: str, settings: str, *, quiet: bool) -> Iterator[ResultFile]:
    with ResultFile(path) as results:
        results.resume(settings)
        if results.count and not quiet:
            failures = f", {results.failures} of them failures" if results.failures else ""
            say(f"{path} has {counted(results.count, 'prediction')} of earlier runs{failures}.")
        try:
            yield results
        except KeyboardInterrupt as interrupt:
            interrupt.add_note("Run the same command again to go on.")
            raise
        finally:
            with uninterrupted():
                results.close()
            for warning in results.warnings:
                say(f"Warning: {warning}")


def _run(evaluation: Evaluation, model: ModelRequest, results: ResultFile, *, quiet: bool) -> list[int]:
    """Goes through the steps; returns the exit codes of those that failed."""
    with_bars = display.is_visible(quiet)
    tally = Tally(total=evaluation.steps)
    failures: list[int] = []
    shown_error: Exception | None = None

    def load() -> Backend:
        with display.shown("", with_bars), tally.loading():
            return model.load()

    @contextmanager
    def shown(step: Step) -> Iterator[Progress]:
        title = f"{step.item.id}, {step.arm.name}"
        with display.shown(title, with_bars, None, tally.line()) as progress, interruptible():
            yield progress

    for outcome in evaluation.run(load, results, failure_of, shown):
        if outcome.record is None:
            tally.passed_over(failed=outcome.failed)
        else:
            tally.made(failed=outcome.failed)
        if outcome.code is not None:
            failures.append(outcome.code)
        if outcome.error is not None and outcome.error is not shown_error:  # a video's fails all its steps
            shown_error = outcome.error
            trace(outcome.error)
            step = outcome.step
            say(f"Error: {step.item.id}, {step.arm.name}: {failure_of(outcome.error).message}")
    return failures


def opened_judge(url: str | None, model: str | None) -> Judge | None:
    """The language model that judges answers, if one is named; says that the network is used.

    Raises:
        UsageError: its address or its name is missing or cannot be used.
    """
    if url is None and model is None:
        return None
    if url is None or model is None:
        raise UsageError("--judge and --judge-model go together: an address, and a model's name there.")
    from dynfocus_cli.evaluation.judge import Judge

    judge = Judge(url, model)
    say(f"Answers that are to be judged are sent to {judge.address}.")
    return judge


def show_scores(folder: Path, judge: Judge | None = None, *, json: bool, quiet: bool = False) -> None:
    """Scores what a run stored, writes its report and page, and says on stdout what they come to."""
    from dynfocus_cli.evaluation.report_record import report_record
    from dynfocus_cli.evaluation.scoring import PAGE_FILE, score_run, write_report
    from dynfocus_cli.evaluation.summary import summary_lines

    with display.shown("", display.is_visible(quiet)) as progress, interruptible():
        report = score_run(folder, judge, progress)
    write_report(report, folder)
    if json:
        write_record(report_record(report))
    else:
        for line in summary_lines(report):
            write_line(line)
    say(f"{folder / PAGE_FILE} shows it.")


def _names(arms: str | None) -> list[str] | None:
    """even, key -> those two"""
    return None if arms is None else [name.strip() for name in arms.split(",") if name.strip()]


def _conclude(steps: int, failures: list[int], problems: int) -> None:
    """Ends the run with the code that its failures have together."""
    if not failures and not problems:
        return
    if len(failures) == steps and len(set(failures)) == 1:
        raise typer.Exit(failures[0])
    sentences = []
    if failures:
        sentences.append(f"{len(failures)} of {counted(steps, 'prediction')} failed.")
    if problems:
        sentences.append(f"{counted(problems, 'question')} could not be asked.")
    raise SomeVideosFailed(" ".join(sentences))


def _say_problems(dataset: Dataset) -> None:
    """On stderr, the first of what cannot be asked, and how many there are."""
    if not dataset.problems:
        return
    say(f"Warning: {counted(len(dataset.problems), 'question')} cannot be asked:")
    for problem in dataset.problems[:SHOWN_PROBLEMS]:
        say(f"  {problem.id}: {problem.message}")
    if len(dataset.problems) > SHOWN_PROBLEMS:
        say(f"  and {len(dataset.problems) - SHOWN_PROBLEMS} more: `dynfocus eval check` lists them.")
