"""The library names options by their fields, in backticks; the command line alone spells flags."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynfocus_cli.cli.flag_names import flag_names, with_flags

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "dynfocus_cli"
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMAND_LINE = re.compile(r"dynfocus \w|hf download|pip install|`ask --model`|`--help`")
DECLARED_BY = {"flag", "setting", "ExportFormat"}
"""Calls that declare a flag, with its help."""
ABOUT_FLAGS = {"flags.py"}
LISTED = {
    ("checkpoints/registry.py", "--selector-model"),  # a description in the list of models
    ("checkpoints/pull.py", "--quantize"),  # whole commands
    ("checkpoints/pull_public.py", "--revision"),
    ("checkpoints/pull_public.py", "--local-dir"),
    ("checkpoints/pull_public.py", "--include"),
    ("types.py", "--quantize"),
    ("report/export.py", "--embed"),  # the flags of formats are their names
    ("report/writers/html.py", "--embed"),
    ("report/writers/html.py", "--html"),
    ("report/writers/__init__.py", "--contact-sheet"),
}
"""Where a flag stands for itself."""


def flags_in(text: str) -> Iterator[tuple[int, str]]:
    """The line of each literal that names a flag, and the flag; not in a declaration or a whole command."""

    def below(node: ast.AST) -> Iterator[tuple[int, str]]:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in DECLARED_BY:
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for flag in FLAG.findall(node.value):
                if not COMMAND_LINE.search(node.value):
                    yield node.lineno, flag
        for child in ast.iter_child_nodes(node):
            yield from below(child)

    return below(ast.parse(text))


def test_no_room_below_the_command_line_names_a_flag() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("cli/") or name in ABOUT_FLAGS:
            continue
        wrong += [
            f"{name}:{line} names {flag}"
            for line, flag in flags_in(path.read_text(encoding="utf-8"))
            if (name, flag) not in LISTED
        ]
    assert wrong == []


def test_a_flag_is_found_in_a_message_and_in_a_docstring_but_not_where_it_is_declared() -> None:
    text = '''
def take(n):
    """What `--frames` says."""
    seed = setting("--seed", QUERYING, "Without --frames.")
    raise UsageError(f"lower --fps {n}")
    "dynfocus ask --model"
'''
    assert list(flags_in(text)) == [(3, "--frames"), (5, "--fps")]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("raise `key_ratio` or `prototypes`.", "raise --key-ratio or --prototypes."),
        ("take `device=cpu`, or `batch=1`", "take --device cpu, or --batch-size 1"),
        ("leave `rods=False` out, and give `cache=False`", "leave --rods none out, and give --no-cache"),
        ("as in: `choices=A='a dog'`", "as in: --choice A='a dog'"),
        ("`at_s` 1:00 lies outside of `start_s` and `end_s`", "--at 1:00 lies outside of --start and --end"),
        ("the file `notes` and `dynfocus models`", "the file `notes` and `dynfocus models`"),
        ("`--frames`", "`--frames`"),
    ],
)
def test_the_command_line_spells_fields_as_flags(text: str, spelled: str) -> None:
    assert with_flags(text) == spelled


def test_a_field_is_called_otherwise_where_it_is_set_otherwise() -> None:
    assert with_flags("`at_s` is past the end", {"at_s": "/at"}) == "/at is past the end"


def test_every_option_that_the_library_names_is_known() -> None:
    """A field in backticks in a message that no flag has would be shown as it is."""
    named = {
        match
        for path in PACKAGE.rglob("*.py")
        if "cli" not in path.relative_to(PACKAGE).parts
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("UsageError", "OutOfMemory")
        for node in ast.walk(call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for match in re.findall(r"`(\w+)[`=]", node.value)
    }
    assert named - flag_names().keys() <= {"ask", "inspect", "question", "answer"}
