"""The files that `ask` and `inspect` write beside each result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import typer

from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.errors import SomeVideosFailed, UsageError

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.cli.output import Format
    from dynfocus_cli.report.export import ExportOptions
    from dynfocus_cli.types import Answer, Inspection

Result = TypeVar("Result", "Answer", "Inspection")


STDOUT = "-"
"""As the name of a file, standard output."""


def check_rows(format: Format, output: str | None, dry_run: bool) -> None:
    """Raises UsageError where `--csv -` would share standard output with something else, or have no rows."""
    if format != "text" or output is not None or dry_run:
        raise UsageError(
            "--csv - writes the rows to standard output, in place of --json, --jsonl, --output and --dry-run."
        )


def check_exports(options: ExportOptions | None, asked: QuestionFile) -> None:
    """Raises UsageError for files of several selections."""
    if options is not None and len(asked.queries) > 1:
        raise UsageError("The files of a video show one selection: leave --questions or them out.")


class Exporting:
    """Writes the files of each result, and remembers what could not be written."""

    def __init__(self, options: ExportOptions | None, job: Job) -> None:
        """Raises UsageError for names that will not do; no video has been opened by then."""
        self.job = job
        """With all videos gathered, where there are files to write: their names have to be told apart."""
        self._exporter = None
        self._failures: list[Failure] = []
        if options is not None:
            from dynfocus_cli.report.export import Exporter

            paths = list(job.videos.paths)
            self._exporter = Exporter(options, paths)
            self.job = replace(job, videos=replace(job.videos, paths=paths))

    def beside(
        self, show: Callable[[str, Query | None, Result], None]
    ) -> Callable[[str, Query | None, Result], None]:
        """`show`, which then writes a result's files as well."""

        def shown(video: str, query: Query | None, result: Result) -> None:
            if self.job.results is not None:
                self._write(result)  # a result in the file says that all of its video is done
                show(video, query, result)
            else:
                show(video, query, result)
                self._write(result)

        return shown

    def conclude(self) -> None:
        """Ends the run with the code of what could not be written, if anything could not."""
        if self._failures and self.job.several:
            count = len(self._failures)
            raise SomeVideosFailed(f"{count} {'file' if count == 1 else 'files'} could not be written.")
        if self._failures:
            raise typer.Exit(self._failures[0].code)

    def _write(self, result: Answer | Inspection) -> None:
        if self._exporter is None:
            return
        from dynfocus_cli.types import Answer

        selection, answer = (result.evidence, result) if isinstance(result, Answer) else (result, None)
        done = self._exporter.write(selection, answer)
        if not self.job.quiet:
            for path in done.written:
                say(f"Wrote {path}")
        failures = []
        for problem in done.problems:
            trace(problem)
            failures.append(failure_of(problem))
        for message in dict.fromkeys(failure.message for failure in failures):
            say(f"Error: {message}")  # a video that went away is the same trouble for each of its files
        self._failures += failures
