"""`inspect --split DIR`: each shot as a file, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli.errors import Failure, failure_of, say, trace
from dynfocus_cli.errors import DynFocusError, SomeVideosFailed, UsageError
from dynfocus_cli.files import reason

if TYPE_CHECKING:
    from dynfocus_cli.types import Inspection


class Splitting:
    """Cuts the shots of one video after the other, and remembers what could not be cut."""

    def __init__(self, folder: str | None, *, exact: bool, quiet: bool) -> None:
        """Raises UsageError where the folder cannot be made; no video has been opened by then."""
        self._folder = None if folder is None else Path(folder)
        self._exact, self._quiet = exact, quiet
        self._written = 0
        self._failures: list[Failure] = []
        if folder is not None and self._folder is not None:
            if not folder:
                raise UsageError("--split needs the name of a folder, got ''.")
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"--split {folder} cannot be written to: {reason(error)}.") from error

    def write(self, inspection: Inspection) -> list[Failure]:
        """Cuts the shots of the sampled part; one that cannot be cut is reported and returned, and costs no
        other."""
        if self._folder is None:
            return []
        from dynfocus_cli.report.shot_spans import shot_spans
        from dynfocus_cli.report.spans import stem_of
        from dynfocus_cli.video.cutting import cut
        from dynfocus_cli.video.timecode import format_timecode

        failures = []
        stem = stem_of(inspection.source.path)
        for span in shot_spans(inspection):
            name = f"{stem}-{span.number:03d}"
            try:
                made = cut(inspection.source, span.start_s, span.end_s, self._folder, name, exact=self._exact)
            except DynFocusError as error:
                trace(error)
                failures.append(failure_of(error))
                say(f"Error: {name} was not cut: {failures[-1].message}")
                continue
            self._written += 1
            if not self._quiet:
                say(f"Wrote {made.path} ({format_timecode(made.start_s)} to {format_timecode(made.end_s)})")
            if made.note:
                say(f"Warning: {made.path}: {made.note}")
        self._failures += failures
        return failures

    def conclude(self) -> None:
        """Ends the run with the code of what could not be cut, if anything could not."""
        if self._failures and self._written:
            count = len(self._failures)
            raise SomeVideosFailed(f"{count} {'shot' if count == 1 else 'shots'} could not be cut.")
        if self._failures:
            raise typer.Exit(self._failures[0].code)
