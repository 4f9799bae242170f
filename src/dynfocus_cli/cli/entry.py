"""The console script's first step: help pages without the wait.

Importing Typer alone takes four times as long as starting Python. `--help` is asked for often and says always
the same, so its pages are kept as files, written by `reference.py` from the commands themselves; a test
compares them. Everything else goes on to Typer.
"""

import os
import sys

from dynfocus_cli import __version__

PAGES = os.path.join(os.path.dirname(__file__), "help_pages")
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
    _keep_docstrings()
    try:
        from dynfocus_cli.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        raise SystemExit(130) from None
    run()


def _keep_docstrings() -> None:
    """Starts Python anew where PYTHONOPTIMIZE=2 has it drop docstrings, for transformers reads its own."""
    if sys.flags.optimize > 1 and os.environ.get("PYTHONOPTIMIZE", "1") not in ("", "0", "1"):
        os.environ["PYTHONOPTIMIZE"] = "1"
        os.execv(sys.executable, sys.orig_argv)


def kept_page(arguments: list[str]) -> str | None:
    """The page for `COMMAND --help`, `help COMMAND` or `--version`; None where anything else is asked for.

    A command of a group has two words, `models list`; `dynfocus` itself has none.
    """
    if arguments == ["--version"]:
        return f"dynfocus {__version__}\n"
    if arguments[:1] == ["help"]:
        command = arguments[1:]
    elif arguments and arguments[-1] in ("--help", "-h"):
        command = arguments[:-1]
    else:
        return None
    if not all(word.isalpha() for word in command):  # words become a file's name
        return None
    try:
        with open(os.path.join(PAGES, page_name(command)), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def page_name(command: list[str]) -> str:
    """The file of a command's page: ["models", "list"] -> dynfocus-models-list.txt"""
    return "-".join(["dynfocus", *command]) + ".txt"


def _columns() -> int:
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return PAGE_WIDTH
