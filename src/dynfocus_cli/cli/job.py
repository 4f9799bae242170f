"""The videos and questions of one run, gone through one after another: each failure by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import typer

from dynfocus_cli.batch import videos as batch_videos
from dynfocus_cli.batch.lookahead import one_ahead
from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.batch.video_questions import VideoQuestions
from dynfocus_cli.batch.videos import Outcome
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.cli.interrupts import interruptible
from dynfocus_cli.cli.output import AnswerStream, Format, name_of, on_terminal, one_line, write_record
from dynfocus_cli.cli.tally import Tally, Warnings
from dynfocus_cli.errors import DynFocusError, SomeVideosFailed, UsageError, without_frames
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.options import RunOptions
from dynfocus_cli.report.writers import ExportFormat

if TYPE_CHECKING:
    from dynfocus_cli.batch.result_key import Content
    from dynfocus_cli.cli.resuming import ResumableResults
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.json import Record
    from dynfocus_cli.types import Inspection

Model = TypeVar("Model")
"""A loaded model, or its spec where nothing is run."""
Result = TypeVar("Result")

SHOWN_NAMES = 3
"""Of videos, in a message about many."""


@dataclass(frozen=True, slots=True)
class Job:
    """The videos and questions of a run, and how its results are told apart and shown."""

    paths: Iterable[str]
    """The videos in order, as they come: a list on standard input may take its time."""
    several_videos: bool
    questions: VideoQuestions
    options: RunOptions
    format: Format
    quiet: bool
    results: ResumableResults | None = None
    """The file that results go to in place of stdout."""
    problems: Sequence[str] = ()
    """Lines of the file of questions that are none; they were reported, and count at the end."""
    shard: Shard = field(default_factory=Shard)
    """Which part of the run it is."""
    rows: ExportFormat | None = None
    """What results are written as to stdout, where that is no table of key frames."""
    stream: AnswerStream | None = None
    """The answer that is written while it is made, on a terminal."""
    warnings: Warnings = field(default_factory=Warnings)
    tally: Tally = field(default_factory=Tally)
    memory_cache: MemoryFeatureCache = field(default_factory=MemoryFeatureCache)
    onward: str = "A run with --output FILE can be gone on with."
    """What is said after Ctrl-C where results go to stdout."""

    @property
    def results_name(self) -> str:
        """What several results are called."""
        if len(self.queries) == 1:
            return "videos"
        return "results" if None in self.queries else "answers"

    @property
    def total(self) -> int | None:
        """How many results there will be; None while the list of videos is still coming."""
        if not isinstance(self.paths, Sized):
            return None
        return sum(len(self.questions.of(path)) for path in self.paths)

    @property
    def queries(self) -> Sequence[Query | None]:
        """All that are asked, of one video or another."""
        return self.questions.all

    @property
    def several(self) -> bool:
        """Whether there is more than one result."""
        return self.several_videos or len(self.queries) > 1

    @property
    def as_records(self) -> bool:
        """Whether results are JSON."""
        return self.format != "text" or self.results is not None

    def question(self, query: Query | None) -> str:
        """What tells a question from the others: its id, or itself; nothing where it is the only one."""
        if query is None or len(self.queries) < 2:
            return ""
        return one_line(query.text if query.id is None else str(query.id))

    def where(self, video: str, query: Query | None) -> str:
        """What tells a result from the others, in a message; nothing where it is the only one."""
        parts = [video if self.several_videos else "", self.question(query)]
        return ", ".join(part for part in parts if part)

    def prefix(self, video: str, query: Query | None) -> str:
        """How the line of a result begins: `a.mp4: `, with the question in a column of its own."""
        path = f"{name_of(video)}: " if self.several_videos else ""
        question = self.question(query)
        return f"{path}{question}\t" if question else path

    def put(self, video: str, query: Query | None, record: Record, content: Content | None = None) -> None:
        """Writes a record to where this run's records go; `content` is the video's identity, if known."""
        if query is not None and query.id is not None:
            record = {**record, "question_id": query.id}
        if self.results is not None:
            self.results.add(video, query, record, content)
        else:
            write_record(record)

    def show_evidence(self, inspection: Inspection, where: str, *, table: bool, attended: str = "") -> None:
        """Timeline, budget and times on stderr; those of the first result tell what loading the model took.

        Args:
            attended: the frames that an answer attended to most, as `most_attended` names them.
        """
        from dynfocus_cli.report.terminal import print_selection, print_timings, stderr_console

        if where and not on_terminal():
            say(f"\n{where}")  # on a terminal it stands right above, with the result
        console = stderr_console()
        print_selection(console, inspection, table=table, attended=attended)
        print_timings(console, inspection, self.tally.loading_s if self.tally.is_first else None)

    def warn(self, warnings: Sequence[str], where: str) -> None:
        """Warnings of a result on stderr, a line each, in every format and also with --quiet."""
        for warning in dict.fromkeys(warnings):
            self.warnings.say(warning, where)

    def has_work(self, video: str) -> bool:
        """Whether there is a question about a video that is not answered yet."""
        queries = self.questions.of(video)
        if self.results is None:
            return bool(queries)
        return not all(self.results.has(video, query) for query in queries)


def for_each(
    job: Job,
    load: Callable[[], Model],
    work: Callable[[Job, str, Query | None, Model, Progress, Prefetch | None], Result],
    show: Callable[[str, Query | None, Result], None],
    prefetch: Callable[[str, Query | None, Model], Prefetch | None] | None = None,
    finish: Callable[[Sequence[Outcome[Result]]], None] = lambda failed: None,
    passes_over: Callable[[str], bool] = lambda video: False,
) -> None:
    """Loads the model once, then works on each question about each video, and shows each result as it comes.

    One video exits with its own code. Of several, those that work are shown, and the rest raise
    SomeVideosFailed at the end. Where no video is there to be opened, or all is done already, neither the
    model nor torch is loaded.

    Args:
        prefetch: what can be done of the next video while this one is at work, in another thread.
        finish: is given the outcomes that failed, after the last video.
        passes_over: says, once the model is loaded, whether a video needs no work of its own.
    """
    given, failures, failed = 0, list[int](), list[Outcome[Result]]()
    loaded: Model | None = None
    prefetched: Prefetch | None = None
    with_bars = display.is_visible(job.quiet)
    tally = job.tally
    tally.total = job.total if with_bars else None

    def start(video: str) -> Prefetch | None:
        """Starts on the next video. What is wrong with it is reported when its turn comes."""
        if prefetch is None or loaded is None or not (_is_there(video) and job.has_work(video)):
            return None
        try:
            return prefetch(video, job.questions.of(video)[0], loaded)
        except Exception:
            return None

    def videos() -> Iterator[str]:
        """The videos; the model is there before the first one that needs it."""
        nonlocal loaded, prefetched, given
        alone = ((video, None) for video in job.paths)
        for video, prefetched in one_ahead(job.paths, start) if job.several_videos else alone:
            if loaded is None and _is_there(video) and job.has_work(video):
                with display.shown("", with_bars), tally.loading():
                    loaded = load()
                if tally.total is not None:  # what takes no time makes the rest look long
                    tally.total -= sum(map(passes_over, job.paths))
            if loaded is not None and passes_over(video) and _is_there(video):
                given += 1
            else:
                yield video
            if prefetched is not None:
                prefetched.close()

    def process(video: str, query: Query | None) -> Result:
        nonlocal prefetched
        assert loaded is not None, "a video that passes the check was there before the model was loaded"
        own, prefetched = prefetched if query is job.questions.of(video)[0] else None, None
        write = None if job.stream is None else job.stream.write
        run = tally.line() if job.several else ""
        with ExitStack() as started:
            if own is not None:
                started.callback(own.close)  # what refuses the question takes no frames
            with display.shown(job.where(video, query), with_bars, write, run) as progress, interruptible():
                return work(job, video, query, loaded, progress, own)

    def is_done(video: str, query: Query | None) -> bool:
        if job.results is None:
            return False
        failures_before = len(job.results.failures)
        done = job.results.pass_over(video, query)
        if done:
            tally.passed_over(failed=len(job.results.failures) > failures_before)
        return done

    try:
        for outcome in batch_videos.run(videos(), job.questions.of, process, is_done):
            given += 1  # ahead of the line, after which an interrupt may come at once
            tally.made(failed=outcome.error is not None)
            if outcome.error is None:
                assert outcome.result is not None, "work returns a result or raises"
                show(outcome.video, outcome.query, outcome.result)
            else:
                trace(outcome.error)
                failure = failure_of(outcome.error)
                report_failure(job, outcome.video, outcome.query, failure)
                failures.append(failure.code)
                without_frames(outcome.error)
                failed.append(outcome)
    except KeyboardInterrupt as interrupt:
        if job.results is not None:
            interrupt.add_note(f"Run the same command again to go on with {job.results.path}.")
        elif job.several and given:
            interrupt.add_note(job.onward)
        raise
    else:
        finish(failed)
    finally:
        job.warnings.conclude(job.results_name)
    conclude_run(job, given, failures)


def conclude_run(job: Job, given: int, failures: list[int]) -> None:
    """Ends a run with the code that all of its failures have together.

    Args:
        given: how many results there are, those of earlier runs aside.
        failures: the codes of those among them that failed.

    Raises:
        SomeVideosFailed: some of several failed.
        UsageError: the questions are about other videos.
    """
    if job.results is not None:
        given += job.results.done
        failures = failures + job.results.failures
    if names := job.questions.passed_over:
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        some = f"{', '.join(names[:SHOWN_NAMES])}{more}"
        if not given and job.shard.is_whole:
            raise UsageError(f"The questions are about other videos ({some}): name those, or their folder.")
        say(f"Warning: Questions about videos that were not named were not asked: {some}.")
    if not failures and not job.problems:
        return
    alone = not job.several_videos and len(failures) == given and not job.problems
    if alone and len(set(failures)) == 1:
        raise typer.Exit(failures[0])
    said = []
    if failures:
        said.append(f"{len(failures)} of {given} {job.results_name} failed.")
    if job.problems:
        lines = "1 line" if len(job.problems) == 1 else f"{len(job.problems)} lines"
        said.append(f"{lines} of the questions could not be read.")
    raise SomeVideosFailed(" ".join(said))


def _is_there(video: str) -> bool:
    try:
        batch_videos.check(video)
    except DynFocusError:
        return False
    return True


def report_failure(
    job: Job, video: str, query: Query | None, failure: Failure, content: Content | None = None
) -> None:
    """Says on stderr, and in a record where records are wanted, why a video failed."""
    where = job.where(video, query)
    if where == video and video in failure.message:
        where = ""
    say(f"Error: {where}: {failure.message}" if where else f"Error: {failure.message}")
    if job.format == "jsonl" or job.results is not None:
        put_failure(job, video, query, failure, content)


def put_failure(
    job: Job, video: str, query: Query | None, failure: Failure, content: Content | None = None
) -> None:
    """Writes the record of a failure."""
    from dynfocus_cli.report.json import error_record

    text = None if query is None else query.text
    job.put(video, query, error_record(video, *failure, question=text), content)
