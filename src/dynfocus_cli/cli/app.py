"""The console script `dynfocus`."""

from __future__ import annotations

from typing import Annotated

import typer

from dynfocus_cli import __version__
from dynfocus_cli.cli.ask import ask
from dynfocus_cli.cli.cache import app as cache
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.inspect import inspect
from dynfocus_cli.cli.models import app as models
from dynfocus_cli.cli.synth import synth

# Plain help, since rich would be imported for `--help`; no pretty tracebacks, since errors.py decides.
app = typer.Typer(
    name="dynfocus",
    help="Ask a local video a question and see the evidence: the frames judged meaningful, and their tokens.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(ask)
app.command()(inspect)
app.command()(synth)
app.add_typer(models)
app.add_typer(cache)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dynfocus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before any command."""


def main() -> None:
    """Run the command line; ends in SystemExit with the contract's exit code."""
    with reported():
        app()
