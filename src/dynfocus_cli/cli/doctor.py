"""`dynfocus doctor`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.options import JsonOption
from dynfocus_cli.cli.output import wrapped, write_line, write_record

if TYPE_CHECKING:
    from dynfocus_cli.cli.checks.check import Check

SCHEMA = "dynfocus.doctor/1"

_INDENT = 20
"""Columns of state and name."""


def doctor(json: JsonOption = False) -> None:
    """Look at Python, torch, CUDA, codecs, memory, models, cache and settings: each is ok, or has a remedy.

    Exits with 0 where dynfocus can answer, otherwise with the code that an answer would end with.
    """
    with reported():
        from dynfocus_cli.cli.checks.examination import all_checks

        checks = []
        for check in all_checks():
            checks.append(check)
            if not json:  # as they come, since torch takes its time
                for line in _lines(check):
                    write_line(line)
        code = next((check.code for check in checks if check.code), 0)
        if json:
            write_record({"schema": SCHEMA, "code": code, "checks": [asdict(check) for check in checks]})
        elif code:
            write_line("What is marked fix keeps dynfocus from answering.")
        else:
            write_line("dynfocus can answer here.")
        if code:
            raise typer.Exit(code)


def _lines(check: Check) -> list[str]:
    """A line for the finding and one for the remedy; on a terminal they are wrapped at words."""
    finding = wrapped(f"{check.state:<4}  {check.name:<12}  ", check.said)
    return [*finding, *wrapped(" " * _INDENT, check.todo)] if check.todo else finding
