"""The files that `ask` and `inspect` write beside each result: their flags, and what is said of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.errors import SomeVideosFailed, UsageError
from dynfocus_cli.report.writers import Format, formats

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.cli.each import Job
    from dynfocus_cli.report.export import ExportOptions
    from dynfocus_cli.types import Answer, Inspection

Result = TypeVar("Result", "Answer", "Inspection")

STDOUT = "-"
"""As the name of a file, standard output."""


class ExportFlags(NamedTuple):
    """The flags of formats as given on the command line."""

    outputs: dict[str, str]
    """OUT by flag."""
    switches: frozenset[str]

    def to_stdout(self) -> Format | None:
        """The format that is asked for on standard output, if `inspect` can write it there."""
        return next(
            (each for each in formats() if each.to_stdout and self.outputs.get(each.flag) == STDOUT), None
        )

    def options(self, questions: QuestionFile, *, dry_run: bool) -> ExportOptions | None:
        """The files asked for, or None. Raises UsageError for those that the run cannot write."""
        if not self.outputs and not self.switches:
            return None
        from dynfocus_cli.report.export import ExportOptions

        if dry_run:
            raise UsageError(
                "--dry-run looks at no frame, so it has no files to write: leave one of them out."
            )
        options = ExportOptions(self.outputs, self.switches)
        if len(questions.queries) > 1:
            raise UsageError("The files of a video show one selection: leave --questions or them out.")
        return options


NO_EXPORTS = ExportFlags({}, frozenset())


def with_export_flags(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the flags of all formats in the place of its parameter `exports`."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        parameters += _export_parameters() if parameter.name == "exports" else [parameter]

    @wraps(command)
    def expanded(**values: Any) -> None:
        outputs, switches = {}, set()
        for each in formats():
            if (out := values.pop(each.parameter)) is not None:
                outputs[each.flag] = out
            if each.switch is not None and values.pop(each.switch.parameter):
                switches.add(each.switch.flag)
        command(**values, exports=ExportFlags(outputs, frozenset(switches)))

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return expanded


def _export_parameters() -> list[inspect.Parameter]:
    parameters = []
    for each in formats():
        metavar = "DIR" if each.contents else "OUT"
        option = typer.Option(each.flag, metavar=metavar, help=each.help)
        parameters.append(_keyword(each.parameter, Annotated[str | None, option], None))
        if (switch := each.switch) is not None:
            option = typer.Option(switch.flag, help=switch.help)
            parameters.append(_keyword(switch.parameter, Annotated[bool, option], False))
    return parameters


def _keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


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
        exported = self._exporter.write(result)
        if not self.job.quiet:
            for path in exported.written:
                say(f"Wrote {path}")
        failures = []
        for problem in exported.problems:
            trace(problem)
            failures.append(failure_of(problem))
        for message in dict.fromkeys(failure.message for failure in failures):
            say(f"Error: {message}")  # a video that went away is the same trouble for each of its files
        self._failures += failures
