"""The console script `dynfocus`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dynfocus_cli import __version__
from dynfocus_cli.cli.ask import ask
from dynfocus_cli.cli.cache import app as cache
from dynfocus_cli.cli.chat import chat
from dynfocus_cli.cli.commands import Configured, NoColorOption, Plain
from dynfocus_cli.cli.doctor import doctor
from dynfocus_cli.cli.errors import leave, let_stderr_fail, reported
from dynfocus_cli.cli.evaluate import app as evaluate
from dynfocus_cli.cli.find import find
from dynfocus_cli.cli.index import index
from dynfocus_cli.cli.inspect import inspect
from dynfocus_cli.cli.models import app as models
from dynfocus_cli.cli.results import app as results
from dynfocus_cli.cli.synth import synth
from dynfocus_cli.cli.train import train
from dynfocus_cli.errors import UsageError

PANELS = VIDEOS, MODELS, MACHINE = "Videos", "Models", "This machine"
"""What commands are about, in the order of the help page."""

ASK_EXAMPLES = """\b
Examples:
  dynfocus ask video.mp4 "What is she doing at 08:00?"
  dynfocus ask video.mp4 "What falls?" --at 1:20 --html page.html
  dynfocus ask video.mp4 "Who wins?" --choice A="the dog" --choice B="the cat"
  dynfocus ask clips/ "Is there a dog?" --output answers.jsonl
  find . -name '*.mp4' | dynfocus ask - "Is there a dog?" --jsonl | jq .answer
"""

FIND_EXAMPLES = """\b
Examples:
  dynfocus find video.mp4 "a red circle"
  dynfocus find clips/ -r "a dog jumps" --top 20
  dynfocus find video.mp4 "a dog jumps" --clips cuts/ --html page.html
"""

INDEX_EXAMPLES = """\b
Examples:
  dynfocus index clips/ -r
  dynfocus index clips/ -r --output index.jsonl --shard 1/4
"""


class _Root(TyperGroup):
    """`dynfocus help COMMAND`, and commands listed by what they are about."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] == ["help"] and not ctx.resilient_parsing:  # which completes a command line
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            panels.setdefault(panel or MACHINE, []).append((name, command.get_short_help_str(limit=80)))
        width = max(map(len, self.commands))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(name.ljust(width), said) for name, said in rows])


# Plain help, since rich would be imported for `--help`; no pretty tracebacks, since errors.py decides.
app = typer.Typer(
    name="dynfocus",
    help="Ask a local video a question and see the evidence: the frames judged meaningful, and their tokens.",
    epilog="`dynfocus help COMMAND` says more about one of them.",
    cls=_Root,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(
    cls=Configured,
    rich_help_panel=VIDEOS,
    short_help="Answer a question about a video.",
    epilog=ASK_EXAMPLES,
)(ask)
app.command(cls=Configured, rich_help_panel=VIDEOS, short_help="Ask a video one question after the other.")(
    chat
)
app.command(
    cls=Configured,
    rich_help_panel=VIDEOS,
    short_help="Find when something happens.",
    epilog=FIND_EXAMPLES,
)(find)
app.command(
    cls=Configured,
    rich_help_panel=VIDEOS,
    short_help="Keep what searches need of videos.",
    epilog=INDEX_EXAMPLES,
)(index)
app.command(cls=Configured, rich_help_panel=VIDEOS, short_help="Show which frames are meaningful.")(inspect)
app.command(cls=Configured, rich_help_panel=VIDEOS, short_help="Write generated clips to try it on.")(synth)
app.add_typer(results, rich_help_panel=VIDEOS)
app.add_typer(models, rich_help_panel=MODELS)
app.add_typer(evaluate, rich_help_panel=MODELS)
app.command(cls=Configured, rich_help_panel=MODELS, short_help="Train a model on videos of your own.")(train)
app.command(cls=Plain, rich_help_panel=MACHINE, short_help="Say whether it can work here, or what to do.")(
    doctor
)


def _command_names() -> list[str]:
    return list(typer.main.get_group(app).commands)


@app.command("help", cls=Plain, rich_help_panel=MACHINE, short_help="Say more about a command.")
def _help(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", autocompletion=_command_names, help="Of this program.")
    ],
) -> None:
    """Say more about a command."""
    raise AssertionError("`_Root` reads `help COMMAND` as `COMMAND --help`")


app.add_typer(cache, rich_help_panel=MACHINE)
for command in (
    *models.registered_commands,
    *evaluate.registered_commands,
    *results.registered_commands,
    *cache.registered_commands,
):
    command.cls = Configured


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"dynfocus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    no_color: NoColorOption = False,
) -> None:
    """Options before any command."""


def _check_working_directory() -> None:
    """Raises UsageError where it was deleted: there, libraries below torch end the process."""
    try:
        os.getcwd()
    except OSError:
        raise UsageError(
            "The working directory does not exist any more. Change to another one (cd) and run it again."
        ) from None


def main() -> None:
    """Run the command line; ends in SystemExit with the contract's exit code."""
    let_stderr_fail()
    try:
        with reported():
            _check_working_directory()
            app()
    except SystemExit as end:
        leave(end)
