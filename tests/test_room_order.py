"""Imports run one way: each room of the package imports only from the rooms below it.

A room is a folder or a file directly in src/dynfocus_cli/. Imports inside functions and those for type
checkers count like any other. docs/architecture.md draws the order. Within a room no module imports itself
through others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, RECIPES = ROOT / "src" / "dynfocus_cli", ROOT / "recipes"

ORDER = (
    ("types", "files"),
    ("errors", "progress", "stopwatch"),
    ("flags", "scorers"),
    ("options", "device", "quantization"),
    ("multiple_choice", "video", "dpe", "synth"),
    ("cce", "features"),
    ("network",),
    ("checkpoints",),
    ("models",),
    ("planning",),
    ("pipeline",),
    ("moments",),
    ("report",),
    ("batch",),
    ("evaluation",),
    ("training",),
    ("cli",),
)
"""The rooms from the bottom up; those of one row do not import one another."""

ROWS = {room: row for row, rooms in enumerate(ORDER) for room in rooms}


def imports_in(text: str) -> Iterator[tuple[int, str]]:
    """The line and the room of each import of the package; the package itself is a room without a name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "dynfocus_cli":
            modules = [f"dynfocus_cli.{alias.name}" for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.ImportFrom):
            modules = ["." * node.level + (node.module or "")]
        else:
            continue
        for module in modules:
            package, *rooms = module.split(".")
            if package == "dynfocus_cli":
                yield node.lineno, rooms[0] if rooms else ""
            elif package in ("", "dynfocus_stock", "dynfocus_tiny"):  # relative, or of a recipe
                yield node.lineno, module


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def against_the_order(path: Path) -> list[str]:
    """The imports of a file that do not go to a room below its own."""
    room = room_of(path)
    return [
        f"{path.relative_to(ROOT)}:{line} imports {other or 'the package itself'}"
        for line, other in imports_in(path.read_text(encoding="utf-8"))
        if other != room and not ROWS.get(other, len(ORDER)) < ROWS[room]
    ]


def test_each_room_has_its_place_in_the_order() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms == set(ROWS), "a new room belongs into ORDER and into docs/architecture.md"


def test_the_drawing_in_the_documents_has_the_same_order() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+(?:, \w+)*)  +\S", text.partition("## Rooms")[2], re.MULTILINE)
    assert [set(rooms.split(", ")) for rooms in drawn] == [set(rooms) for rooms in reversed(ORDER)]


@pytest.mark.parametrize("room", ROWS)
def test_a_room_imports_only_from_those_below_it(room: str) -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if room_of(path) == room]
    assert [wrong for path in files for wrong in against_the_order(path)] == []


def test_the_library_is_above_all_rooms_but_the_command_line() -> None:
    text = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert {room for _, room in imports_in(text)} <= ROWS.keys() - {"cli"}


def test_the_recipe_stands_above_the_package_and_needs_no_command_line() -> None:
    rooms = {
        room
        for path in RECIPES.rglob("*.py")
        for _, room in imports_in(path.read_text(encoding="utf-8"))
        if not room.startswith(("dynfocus_stock", "dynfocus_tiny"))
    }
    assert rooms <= ROWS.keys() - {"cli"}


def modules() -> dict[str, Path]:
    """Every module of the package by its full name; a package by that of its folder."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_modules(text: str, known: Container[str]) -> set[str]:
    """The modules of the package that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {
                name if (name := f"{node.module}.{alias.name}") in known else node.module
                for alias in node.names
            }
    return {name for name in names if name in known}


def circles(graph: Mapping[str, set[str]]) -> set[str]:
    """The modules that import themselves through others: what is left when all are taken away, again and
    again, that import nothing of the rest."""
    left = set(graph)
    while free := {name for name in left if not graph[name] & left}:
        left -= free
    while free := {name for name in left if not any(name in graph[other] for other in left)}:
        left -= free
    return left


def test_no_module_imports_itself_through_others() -> None:
    known = modules()
    graph = {
        name: imported_modules(path.read_text(encoding="utf-8"), known) - {name, "dynfocus_cli"}
        for name, path in known.items()
    }
    assert sorted(circles(graph)) == []


def test_a_circle_is_found_without_what_hangs_on_it() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str]()}
    assert circles(graph) == {"b", "c"}


def test_an_import_in_a_function_is_found() -> None:
    text = """
from typing import TYPE_CHECKING
from dynfocus_cli import __version__, cli
if TYPE_CHECKING:
    from dynfocus_cli.video.decode import decode
def encode():
    import dynfocus_cli.models.open
    from .topk import hard_topk
    import torch
"""
    found = [(3, "cli"), (5, "video"), (7, "models"), (8, ".topk")]
    assert sorted(imports_in(text)) == found
