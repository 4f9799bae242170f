"""`dynfocus results merge|export`"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from dynfocus_cli.cli.errors import say

app = typer.Typer(
    name="results",
    help="Join files that --output wrote, or make a table of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FilesArgument = Annotated[
    list[str], typer.Argument(metavar="FILE", show_default=False, help="Files that --output wrote.")
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Warnings and errors alone.")]


@app.command()
def merge(
    files: FilesArgument,
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            show_default=False,
            help="File to write. What it has already stays, as the oldest.",
        ),
    ],
    quiet: QuietOption = False,
) -> None:
    """Join results of several files: one a video and question, the newest, and answers before errors.

    A file is newer than those before it. `dynfocus ask --output` goes on with what is written.
    """
    from dynfocus_cli.batch.merging import merge_results

    merged = merge_results(files, output)
    _warn(merged.warnings)
    if not quiet:
        failures = f", {merged.failures} of them failures" if merged.failures else ""
        say(f"{output} has {_counted(merged.results, 'result')}{failures}, of {merged.read} that were read.")


@app.command()
def export(
    files: FilesArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE.parquet", show_default=False, help="Table to write."),
    ],
    frames: Annotated[bool, typer.Option("--frames", help="A row a frame, not a row a result.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write results as a flat table for DuckDB, pandas and others: a Parquet file, a row a result."""
    from dynfocus_cli.batch.table import export_results

    table = export_results(files, output, frames=frames)
    _warn(table.warnings)
    if not quiet:
        say(f"{output} has {_counted(table.rows, 'row')} of {table.columns} columns.")


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"Warning: {warning}")


def _counted(number: int, name: str) -> str:
    return f"1 {name}" if number == 1 else f"{number} {name}s"
