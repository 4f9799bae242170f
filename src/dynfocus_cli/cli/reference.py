"""Writes what is made from the declared options: help pages, `docs/cli.md`, and choices in the schemas.

    python -m dynfocus_cli.cli.reference        or: make docs

A test compares all of them with the commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import typer
from typer.testing import CliRunner

from dynfocus_cli import report
from dynfocus_cli.cli.app import app
from dynfocus_cli.cli.entry import PAGE_WIDTH, PAGES, page_name
from dynfocus_cli.cli.errors import INTERRUPTED, UNEXPECTED
from dynfocus_cli.cli.settings import COMMANDS, OTHER_VARIABLES, SETTINGS
from dynfocus_cli.errors import DynFocusError
from dynfocus_cli.flags import Flag
from dynfocus_cli.scorers import SCHEMA_DESCRIPTION
from dynfocus_cli.types import Quantization, Scorer

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
"""In a checkout; an installation has no documents."""

SCHEMAS = Path(report.__file__).parent / "schema"
CHOICES = {
    "scorer": get_args(Scorer),
    "quantization": get_args(Quantization),
    "run_as": get_args(Quantization),
}
"""What a field of a record may say: its name -> the choices."""

_INTRODUCTION = """\
# The command line

Every command and option, the exit codes, the settings file and the environment variables. This page is made
from the commands themselves: `make docs` writes it anew, together with `src/dynfocus_cli/cli/help_pages/`.

stdout holds the answer alone, or JSON; tables, progress and warnings go to stderr. Progress is drawn on a
terminal alone, and leaves nothing behind.
"""

_SETTINGS = """\
## Settings

What you would type every time can stand in a file instead. `dynfocus doctor` says where it belongs (on Linux
`~/.config/dynfocus/dynfocus.toml`) and which settings there are, each with the place that it comes from.

```toml
model = "dynfocus-7b"
quantize = "nf4"
models-dir = "/data/models"

[ask]
max-new-tokens = 128
```

Keys are the long options without their dashes. What stands at the top holds for the commands that are
named below; a table of the file, {tables}, is for that command and
goes before the top. A variable of the environment goes before the file, and an option before both. A key that
does not exist or a value that makes no sense ends every command but `doctor` with exit code 2. `--no-cache`
and `--quiet` have no opposite:
`DYNFOCUS_QUIET=0` takes a `quiet = true` back for one run, and `DYNFOCUS_CONFIG=/dev/null` the whole file.

The settings are the command line's. The library in Python knows no file, and of the variables those of the
folders alone.
"""

_TERMINALS = """\
## Terminals

- Colours and styles are left out in pipes and on dumb terminals (`TERM=dumb`), and everywhere with
  `--no-color` or `NO_COLOR=1`; `FORCE_COLOR=1` keeps them in pipes. Shapes carry the meaning, not colours.
- Bars and timelines are drawn in ASCII where the encoding is not UTF-8, and with `LC_ALL=C`. In text, a
  letter that the encoding lacks is written as an escape. JSON is UTF-8 always.
- `dynfocus --install-completion` makes the shell complete commands, options, their values, names of models,
  and files; in bash, zsh, fish and PowerShell. `--show-completion` prints what it would install.
"""


def help_pages() -> dict[tuple[str, ...], str]:
    """Every help page: the command's words -> its text."""
    runner, pages = CliRunner(), {}
    for words in _commands():
        # The program's name in "Usage:" is what the runner is told, not what it was started as.
        result = runner.invoke(
            app, [*words, "--help"], prog_name="dynfocus", env={"COLUMNS": str(PAGE_WIDTH)}
        )
        pages[words] = result.stdout
    return pages


def kept_pages() -> dict[str, str]:
    """File name -> text."""
    return {page_name(list(words)): text for words, text in help_pages().items()}


def schemas() -> dict[str, str]:
    """File name -> text of each schema, with the choices as the program has them."""
    texts = {}
    for file in SCHEMAS.iterdir():
        schema = json.loads(file.read_text(encoding="utf-8"), object_hook=_with_choices)
        texts[file.name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def _with_choices(part: dict[str, Any]) -> dict[str, Any]:
    for name, choices in CHOICES.items():
        if "enum" in (described := part.get(name, {})):
            described["enum"] = [*choices, *([None] if None in described["enum"] else [])]
            if name == "scorer" and "clustering" in part:  # of a result, not of a model
                described["description"] = SCHEMA_DESCRIPTION
    return part


def document() -> str:
    """The text of docs/cli.md."""
    parts = [_INTRODUCTION]
    for words, page in help_pages().items():
        parts.append(f"## {' '.join(['dynfocus', *words])}\n\n```text\n{page.rstrip()}\n```\n")
    parts.append("## Exit codes\n\n" + _table(("code", "meaning"), _exit_codes()))
    parts.append(_SETTINGS.format(tables=" or ".join(f"`[{command}]`" for command in COMMANDS)))
    rows = [_setting_row(setting) for setting in SETTINGS.values()]
    parts.append(_table(("key", "value", "for", "what it is"), rows))
    parts.append("## Environment variables\n\n" + _table(("variable", "what it does"), _variables()))
    parts.append(_TERMINALS)
    return "\n".join(parts)


def _commands() -> Iterator[tuple[str, ...]]:
    """The words of each command, groups before their members."""

    def below(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
        yield words
        for name, member in getattr(command, "commands", {}).items():
            if not member.hidden:
                yield from below((*words, name), member)

    yield from below((), typer.main.get_command(app))


def _exit_codes() -> Iterator[tuple[str, str]]:
    codes = {0: ["All answered."], UNEXPECTED: ["Something unexpected; `DYNFOCUS_DEBUG=1` shows where."]}
    for kind in DynFocusError.__subclasses__():
        codes.setdefault(kind.exit_code, []).append(" ".join((kind.__doc__ or "").split()))
    codes[INTERRUPTED] = ["Interrupted."]
    return ((str(code), " ".join(meanings)) for code, meanings in sorted(codes.items()))


def _setting_row(setting: Flag) -> tuple[str, ...]:
    kinds = {"text": "text", "number": "number", "count": "whole number", "flag": "true or false"}
    value = ", ".join(f'`"{choice}"`' for choice in setting.choices) or kinds[setting.kind]
    return f"`{setting.key}`", value, ", ".join(setting.commands) or "all, at the top", setting.help


def _variables() -> Iterator[tuple[str, str]]:
    for setting in SETTINGS.values():
        what = setting.help
        if setting.kind == "flag":
            what += " 1 or 0."
        yield f"`{setting.variable}`", f"`{setting.key}`: {what}"
    yield from ((f"`{name}`", what) for name, what in OTHER_VARIABLES.items())
    yield "`NO_COLOR`, `FORCE_COLOR`", "See terminals."
    yield "`COLUMNS`", "Width to draw for, where it is not the terminal's."


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def main() -> None:
    """Write all; pages of commands that are gone are removed."""
    pages = kept_pages()
    folder = Path(PAGES)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.txt"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
    if DOCUMENT.parent.is_dir():
        DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
