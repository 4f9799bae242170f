"""What `ask` and `inspect` share: one model, one video after the other, each failure to itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import typer

from dynfocus_cli.batch import videos as batch
from dynfocus_cli.batch.questions import Query, QuestionFile
from dynfocus_cli.batch.video_questions import VideoQuestions
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.cli.interrupts import interruptible
from dynfocus_cli.cli.lookahead import one_ahead
from dynfocus_cli.cli.output import Format, name_of, one_line, write_record
from dynfocus_cli.cli.tally import Tally, Warnings
from dynfocus_cli.errors import DynFocusError, SomeVideosFailed, UsageError, VideoUnreadable

if TYPE_CHECKING:
    from dynfocus_cli.cli.options import BatchOptions, OutputOptions
    from dynfocus_cli.cli.resuming import Output, Resumed
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.json import Record

Model = TypeVar("Model")
"""A loaded model, or its spec where nothing is run."""
Result = TypeVar("Result")

SHOWN_NAMES = 3
"""Of videos, in a message about many."""


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a run, in order, as they come: a list on standard input may take its time."""

    paths: Iterable[str]
    several: bool


@dataclass(frozen=True, slots=True)
class Job:
    """What a command goes through, and how its results are told apart."""

    videos: Videos
    questions: VideoQuestions
    format: Format
    quiet: bool
    results: Resumed | None = None
    """The file that results go to in place of stdout."""
    problems: Sequence[str] = ()
    """Of the file of questions; they were said, and count at the end."""
    warnings: Warnings = field(default_factory=Warnings)
    tally: Tally = field(default_factory=Tally)

    @property
    def results_name(self) -> str:
        """What several results are called."""
        if len(self.queries) == 1:
            return "videos"
        return "results" if None in self.queries else "answers"

    @property
    def total(self) -> int | None:
        """How many results there will be; None while the list of videos is still coming."""
        paths = self.videos.paths
        if not isinstance(paths, Sized):
            return None
        return sum(len(self.questions.of(path)) for path in paths)

    @property
    def queries(self) -> Sequence[Query | None]:
        """All that are asked, of one video or another."""
        return self.questions.all

    @property
    def several(self) -> bool:
        """Whether there is more than one result."""
        return self.videos.several or len(self.queries) > 1

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
        parts = [video if self.videos.several else "", self.question(query)]
        return ", ".join(part for part in parts if part)

    def prefix(self, video: str, query: Query | None) -> str:
        """How the line of a result begins: `a.mp4: `, with the question in a column of its own."""
        path = f"{name_of(video)}: " if self.videos.several else ""
        question = self.question(query)
        return f"{path}{question}\t" if question else path

    def put(self, video: str, query: Query | None, record: Record) -> None:
        """A record, to where this run's records go."""
        if query is not None and query.id is not None:
            record = {**record, "question_id": query.id}
        if self.results is not None:
            self.results.add(video, query, record)
        else:
            write_record(record)


@contextmanager
def gathered(
    arguments: Sequence[str],
    questions: QuestionFile,
    options: BatchOptions,
    results_file: Output | None,
    output: OutputOptions,
) -> Iterator[Job]:
    """What there is to do; the file of results, if there is one, is open until the block ends.

    Raises:
        UsageError: one JSON object cannot hold that many results, or the file of results is of no use.
        VideoUnreadable: there is no video.
    """
    shared_out = VideoQuestions(questions, (path for path in arguments if path != batch.STDIN))
    search = options.search()
    if output.json and len(shared_out.all) > 1:
        raise UsageError("--json prints one object and there are several questions: use --jsonl.")
    for problem in questions.problems:
        say(f"Error: {problem}")
    with ExitStack() as stack:
        results = None
        if results_file is not None:
            from dynfocus_cli.cli.resuming import resumed

            results = stack.enter_context(resumed(results_file, quiet=output.quiet))
        videos = _videos(arguments, shared_out, output.format, search, null=options.null)
        yield Job(videos, shared_out, output.format, output.quiet, results, questions.problems)


def _videos(
    arguments: Sequence[str], questions: VideoQuestions, format: Format, search: batch.Search, *, null: bool
) -> Videos:
    """The videos that the arguments name, at least one, and those of questions that are nowhere, to be
    reported; the first two show whether there are several."""
    if null and batch.STDIN not in arguments:
        raise UsageError("-0 says how paths on standard input end: give - as the video.")
    given = batch.expand(arguments, None if sys.stdin is None else sys.stdin.buffer, search, null=null)
    paths = questions.with_missing(given)
    first = list(islice(paths, 2))
    if not first:
        raise VideoUnreadable("No video: standard input named none.")
    several = len(first) > 1
    if format == "json" and several:
        raise UsageError("--json prints one object and there are several videos: use --jsonl.")
    # Names on standard input may take their time; what is in folders is soon known, and can be counted.
    return Videos(chain(first, paths) if batch.STDIN in arguments else [*first, *paths], several)


def for_each(
    job: Job,
    load: Callable[[], Model],
    work: Callable[[str, Query | None, Model, Progress, Prefetch | None], Result],
    show: Callable[[str, Query | None, Result], None],
    write: Callable[[str], None] | None = None,
    prefetch: Callable[[str, Query | None, Model], Prefetch] | None = None,
) -> None:
    """Load the model once, `work` on each question about each video, `show` each result as it comes.

    One video exits with its own code. Of several, those that work are shown, and the rest raise
    SomeVideosFailed at the end. Where no video is there to be opened, or all is done already, neither the
    model nor torch is loaded.

    Args:
        write: told of an answer's text while it is written.
        prefetch: what can be done of the next video while this one is at work, in another thread.
    """
    loaded: Model | None = None
    with_bars = display.wanted(job.quiet)
    tally = job.tally
    tally.total = job.total if with_bars else None

    prefetched: Prefetch | None = None

    def start(video: str) -> Prefetch | None:
        """Starts on the next video. What is wrong with it is told when its turn comes."""
        if prefetch is None or loaded is None or not (_is_there(video) and _has_work(job, video)):
            return None
        try:
            return prefetch(video, job.questions.of(video)[0], loaded)
        except Exception:
            return None

    def arriving() -> Iterator[str]:
        """The videos; the model is there before the first one that needs it."""
        nonlocal loaded, prefetched
        alone = ((video, None) for video in job.videos.paths)
        ahead = one_ahead(job.videos.paths, start) if job.videos.several else alone
        for video, prefetched in ahead:
            if loaded is None and _is_there(video) and _has_work(job, video):
                with display.shown("", with_bars), tally.loading():
                    loaded = load()
            yield video
            if prefetched is not None:
                prefetched.close()

    def process(video: str, query: Query | None) -> Result:
        nonlocal prefetched
        assert loaded is not None, "a video that passes the check was there before the model was loaded"
        taken, prefetched = prefetched, None
        run = tally.line() if job.several else ""
        with display.shown(job.where(video, query), with_bars, write, run) as progress, interruptible():
            return work(
                video, query, loaded, progress, taken if query is job.questions.of(video)[0] else None
            )

    def is_done(video: str, query: Query | None) -> bool:
        if job.results is None:
            return False
        failures_before = len(job.results.failures)
        done = job.results.pass_over(video, query)
        if done:
            tally.passed_over(failed=len(job.results.failures) > failures_before)
        return done

    given, failures = 0, list[int]()
    try:
        for outcome in batch.run(arriving(), job.questions.of, process, is_done):
            given += 1  # ahead of the line, after which an interrupt may come at once
            tally.made(failed=outcome.error is not None)
            if outcome.error is None:
                assert outcome.result is not None, "work returns a result or raises"
                show(outcome.video, outcome.query, outcome.result)
            else:
                failures.append(_report(job, outcome.video, outcome.query, outcome.error).code)
    except KeyboardInterrupt as interrupt:
        _tell_how_to_go_on(interrupt, job, given)
        raise
    finally:
        job.warnings.conclude(job.results_name)
    if job.results is not None:
        given += job.results.done
        failures += job.results.failures
    if passed_over := job.questions.passed_over:
        names = _some(passed_over)
        if not given:
            raise UsageError(f"The questions are about other videos ({names}): name those, or their folder.")
        say(f"Warning: Questions about videos that were not named were not asked: {names}.")
    _conclude(job, given, failures)


def _conclude(job: Job, given: int, failures: Sequence[int]) -> None:
    """Ends the run with the code that its failures have together."""
    if not failures and not job.problems:
        return
    alone = not job.videos.several and len(failures) == given and not job.problems
    if alone and len(set(failures)) == 1:
        raise typer.Exit(failures[0])
    said = []
    if failures:
        said.append(f"{len(failures)} of {given} {job.results_name} failed.")
    if job.problems:
        lines = "1 line" if len(job.problems) == 1 else f"{len(job.problems)} lines"
        said.append(f"{lines} of the questions could not be read.")
    raise SomeVideosFailed(" ".join(said))


def _tell_how_to_go_on(interrupt: KeyboardInterrupt, job: Job, given: int) -> None:
    if job.results is not None:
        interrupt.add_note(f"Run the same command again to go on with {job.results.path}.")
    elif job.several and given:
        interrupt.add_note("A run with --output FILE can be gone on with.")


def _some(names: Sequence[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{', '.join(names[:SHOWN_NAMES])}{more}"


def _has_work(job: Job, video: str) -> bool:
    queries = job.questions.of(video)
    if job.results is None:
        return bool(queries)
    return not all(job.results.has(video, query) for query in queries)


def _is_there(video: str) -> bool:
    try:
        batch.check(video)
    except DynFocusError:
        return False
    return True


def _report(job: Job, video: str, query: Query | None, error: Exception) -> Failure:
    """Say on stderr, and as a record where records are wanted, why one video failed."""
    trace(error)
    failure = failure_of(error)
    where = job.where(video, query)
    if where == video and video in failure.message:
        where = ""
    say(f"Error: {where}: {failure.message}" if where else f"Error: {failure.message}")
    if job.format == "jsonl" or job.results is not None:
        from dynfocus_cli.report.json import error_record

        job.put(video, query, error_record(video, *failure, question=None if query is None else query.text))
    return failure
