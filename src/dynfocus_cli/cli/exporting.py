"""The files that `ask`, `inspect` and `find` write beside results: their flags, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import typer

from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.cli.options import ASKING, BATCH, BatchOptions, OutputOptions
from dynfocus_cli.errors import SomeVideosFailed, UsageError
from dynfocus_cli.flags import flag
from dynfocus_cli.report.writers import ExportFormat, formats

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import QuestionFile
    from dynfocus_cli.report.export import ExportOptions, ExportResult
    from dynfocus_cli.types import Answer, Inspection

Options = TypeVar("Options")

STDOUT = "-"
"""As the name of a file, standard output."""


@dataclass_transform(frozen_default=True)
def _with_flags_of_formats(options: type[Options]) -> type[Options]:
    """A dataclass with a field for the flag of each format, and for its switch."""

    def declare(
        format: ExportFormat, name: str, kind: Any, usage: str, help: str, default: object, found: str
    ) -> None:
        commands = BATCH if format.moments is not None else ASKING
        options.__annotations__[name] = kind
        declared = flag(usage, commands, help, default=default, help_by_command={"find": found})
        setattr(options, name, declared)

    for format in formats():
        out = "DIR" if format.contents else "OUT"
        found = "" if format.moments is None else format.moments.help
        declare(format, format.parameter, str | None, f"{format.flag} {out}", format.help, None, found)
        if (switch := format.switch) is not None:
            declare(format, switch.parameter, bool, switch.flag, switch.help, False, switch.help)
    return dataclass(frozen=True)(options)


@_with_flags_of_formats
class ExportFlags:
    """The flags of formats as given on the command line."""

    def out(self, format: ExportFormat) -> str | None:
        """OUT of a format, if it is asked for."""
        out: str | None = getattr(self, format.parameter)
        return out

    def without_stdout(
        self, batch: BatchOptions, output: OutputOptions
    ) -> tuple[ExportFlags, ExportFormat | None]:
        """The flags that name files, and the format that is asked for on standard output, if one is.

        Raises:
            UsageError: other options have something on standard output, or leave nothing to write there.
        """
        to_stdout = (format for format in formats() if format.to_stdout)
        rows = next((format for format in to_stdout if self.out(format) == STDOUT), None)
        if rows is None:
            return self, None
        if output.format != "text" or batch.output is not None or output.dry_run:
            raise UsageError(
                f"{rows.flag} - writes the rows to standard output, in place of --json, --jsonl, --output "
                "and --dry-run."
            )
        return replace(self, **{rows.parameter: None}), rows

    def options(self, questions: QuestionFile, *, dry_run: bool) -> ExportOptions | None:
        """The files asked for, or None. Raises UsageError for those that the run cannot write."""
        outputs = {format.flag: out for format in formats() if (out := self.out(format)) is not None}
        switches = [format.switch for format in formats() if format.switch]
        on = frozenset(switch.flag for switch in switches if getattr(self, switch.parameter))
        if not outputs and not on:
            return None
        from dynfocus_cli.report.export import ExportOptions

        if dry_run:
            raise UsageError(
                "--dry-run looks at no frame, so it has no files to write: leave one of them out."
            )
        options = ExportOptions(outputs, on)
        if len(questions.queries) > 1:
            raise UsageError("The files of a video show one selection: leave --questions or them out.")
        return options


class Exporting:
    """Writes the files of each result, and remembers what could not be written."""

    def __init__(
        self, options: ExportOptions | None, videos: Iterable[str], *, several: bool, quiet: bool
    ) -> None:
        """
        Args:
            videos: all of the run, where there are files to write.
            several: whether there are several results.

        Raises:
            UsageError: names that will not do; no video has been opened by then.
        """
        self._exporter = None
        self._several, self._quiet = several, quiet
        self._failures: list[Failure] = []
        if options is not None:
            from dynfocus_cli.report.export import Exporter

            self._exporter = Exporter(options, list(videos))

    def write(self, result: Answer | Inspection) -> list[Failure]:
        """Writes the files of a result; one that cannot be written is reported and returned, and costs no
        other."""
        if self._exporter is None:
            return []
        failures = report_files(self._exporter.write(result), quiet=self._quiet)
        self._failures += failures
        return failures

    def conclude(self) -> None:
        """Ends the run with the code of what could not be written, if anything could not."""
        conclude_files(self._failures, several=self._several)


def report_files(exported: ExportResult, *, quiet: bool) -> list[Failure]:
    """Says which files were written and which could not be; returns what went wrong."""
    if not quiet:
        for path in exported.written:
            say(f"Wrote {path}")
    failures = []
    for problem in exported.problems:
        trace(problem)
        failures.append(failure_of(problem))
    for message in dict.fromkeys(failure.message for failure in failures):
        say(f"Error: {message}")  # a video that went away is the same trouble for each of its files
    return failures


def conclude_files(failures: Sequence[Failure], *, several: bool) -> None:
    """Ends the run with the code of what could not be written, if anything could not.

    Args:
        several: whether there are several results.
    """
    if failures and several:
        count = len(failures)
        raise SomeVideosFailed(f"{count} {'file' if count == 1 else 'files'} could not be written.")
    if failures:
        raise typer.Exit(failures[0].code)
