"""What stands on stderr beside the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import on_terminal

if TYPE_CHECKING:
    from dynfocus_cli.types import Inspection


def show_evidence(inspection: Inspection, where: str, *, table: bool) -> None:
    """Timeline, budget and times, in text mode; headed with `where` in case there are several."""
    from dynfocus_cli.report.terminal import print_selection, print_timings, stderr_console

    if where and not on_terminal():
        say(f"\n{where}")  # on a terminal it stands right above, with the result
    console = stderr_console()
    print_selection(console, inspection, table=table)
    print_timings(console, inspection)


def show_warnings(inspection: Inspection, where: str) -> None:
    """One line each, in every format and also with --quiet; with `where` in case there are several."""
    prefix = f"{where}: " if where else ""
    for warning in inspection.warnings:
        say(" ".join(f"Warning: {prefix}{warning}".splitlines()))
