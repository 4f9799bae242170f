"""What stands on stderr beside the result, in text mode."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dynfocus_cli.cli.errors import say

if TYPE_CHECKING:
    from dynfocus_cli.types import Inspection


def show_evidence(inspection: Inspection, quiet: bool, several: bool, *, table: bool) -> None:
    """Timeline, budget and times, unless `quiet`; warnings always, with the path where there are several."""
    if not quiet:
        from dynfocus_cli.report.terminal import print_selection, print_timings, stderr_console

        if several and not sys.stdout.isatty():
            say(f"\n{inspection.source.path}")  # on a terminal it stands right above, with the result
        console = stderr_console()
        print_selection(console, inspection, table=table)
    for warning in inspection.warnings:
        say(f"Warning: {inspection.source.path}: {warning}" if several else f"Warning: {warning}")
    if not quiet:
        print_timings(console, inspection)
