"""The console script's first step: help pages without the wait.

Importing Typer alone takes four times as long as starting Python. `--help` is asked for often and says always
the same, so its pages are kept as files, written by `python -m dynfocus_cli.cli.entry` from the commands
themselves; a test compares them. Everything else goes on to Typer.
"""

import os
import sys

PAGES = os.path.join(os.path.dirname(__file__), "help_pages")
COMMANDS = ("ask", "inspect", "synth")
"""Those with a page of their own."""
PAGE_WIDTH = 80
"""Columns that the pages are written for; in a narrower terminal Typer wraps them anew."""


def main() -> None:
    """Runs the command line; ends in SystemExit with the contract's exit code."""
    page = kept_page(sys.argv[1:])
    if page is not None and sys.stdout is not None and _columns() >= PAGE_WIDTH:
        try:
            sys.stdout.write(page)
            sys.stdout.flush()
            return
        except (OSError, UnicodeEncodeError):
            pass  # a closed pipe or a full disk: Typer's road knows what to say
    from dynfocus_cli.cli.app import main as run

    run()


def kept_page(arguments: list[str]) -> str | None:
    """The page for `--help` or `COMMAND --help`, or None where the arguments ask for anything else."""
    if not arguments or len(arguments) > 2 or arguments[-1] not in ("--help", "-h"):
        return None
    if len(arguments) == 2 and arguments[0] not in COMMANDS:
        return None
    name = arguments[0] if len(arguments) == 2 else "dynfocus"
    try:
        with open(os.path.join(PAGES, f"{name}.txt"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def _columns() -> int:
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return PAGE_WIDTH


def fresh_pages() -> dict[str, str]:
    """Every help page, made anew from the commands: file name -> text."""
    from typer.testing import CliRunner

    from dynfocus_cli.cli.app import app

    commands = [
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    ]
    pages = {}
    for name in ("dynfocus", *commands):
        asked = ["--help"] if name == "dynfocus" else [name, "--help"]
        # The program's name in "Usage:" is what the runner is told, not what it was started as.
        result = CliRunner().invoke(app, asked, prog_name="dynfocus", env={"COLUMNS": str(PAGE_WIDTH)})
        pages[f"{name}.txt"] = result.stdout
    return pages


if __name__ == "__main__":
    os.makedirs(PAGES, exist_ok=True)
    for file_name, text in fresh_pages().items():
        with open(os.path.join(PAGES, file_name), "w", encoding="utf-8") as target:
            target.write(text)
