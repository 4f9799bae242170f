"""What stands on stderr beside the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import on_terminal

if TYPE_CHECKING:
    from dynfocus_cli.types import Inspection


def show_evidence(inspection: Inspection, several: bool, *, table: bool) -> None:
    """Timeline, budget and times, in text mode; headed with the path where there are several videos."""
    from dynfocus_cli.report.terminal import print_selection, print_timings, stderr_console

    if several and not on_terminal():
        say(f"\n{inspection.source.path}")  # on a terminal it stands right above, with the result
    console = stderr_console()
    print_selection(console, inspection, table=table)
    print_timings(console, inspection)


def show_warnings(inspection: Inspection, several: bool) -> None:
    """One line each, in every format and also with --quiet; with the path where there are several videos."""
    where = f"{inspection.source.path}: " if several else ""
    for warning in inspection.warnings:
        say(" ".join(f"Warning: {where}{warning}".splitlines()))
