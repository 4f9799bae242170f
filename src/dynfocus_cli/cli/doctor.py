"""`dynfocus doctor`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.output import write_line, write_record

SCHEMA = "dynfocus.doctor/1"

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def doctor(json: JsonOption = False) -> None:
    """Look at Python, torch, CUDA, codecs, memory, models, cache and settings: each is ok, or has a remedy.

    Exits with 0 where dynfocus can answer, otherwise with the code that an answer would end with.
    """
    with reported():
        from dynfocus_cli.cli.checks import all_checks

        checks = []
        for check in all_checks():
            checks.append(check)
            if not json:  # line by line, since torch takes its time
                write_line(f"{check.state:<4}  {check.name:<12}  {check.said}")
                if check.todo:
                    write_line(f"{'':20}{check.todo}")
        code = next((check.code for check in checks if check.code), 0)
        if json:
            write_record({"schema": SCHEMA, "code": code, "checks": [asdict(check) for check in checks]})
        else:
            write_line(
                "dynfocus can answer here."
                if code == 0
                else "What is marked fix keeps dynfocus from answering."
            )
        if code:
            raise typer.Exit(code)
