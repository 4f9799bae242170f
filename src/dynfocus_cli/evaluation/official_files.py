"""The files of a benchmark as its makers distribute them: where they lie, and their rows.

Fields are checked by whoever reads a row; what cannot be read as a file is a UsageError here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import reason

if TYPE_CHECKING:
    from dynfocus_cli.evaluation.benchmark import Benchmark

DEEPEST = 2
"""Folders between the one that a user names and an official file; a clone of a repository has one or two."""


def find_file(data: Path, name: str) -> Path | None:
    """The file of that name, which may hold folders and patterns (`json/*.json`), in a folder or in those up
    to `DEEPEST` levels below it: the one nearest to the top, of several there the first by name."""
    for depth in range(DEEPEST + 1):
        paths = sorted(path for path in data.glob("*/" * depth + name) if path.is_file())
        if paths:
            return paths[0]
    return None


def official_file(benchmark: Benchmark, data: Path, *names: str) -> Path:
    """The first of the named files that is there.

    Raises:
        UsageError: none is; says which were looked for, and whose data set the folder looks like.
    """
    for name in names:
        path = find_file(data, name)
        if path:
            return path
    raise UsageError(missing_file(benchmark, data, names))


def missing_file(benchmark: Benchmark, data: Path, names: Sequence[str]) -> str:
    """That none of the files is there, and what the folder is instead."""
    if not data.is_dir():
        return f"{data} is not a folder: name the one that {benchmark.name} was downloaded to."
    expected = " or ".join(names)
    others = [name for name in benchmarks_in(data) if name != benchmark.name]
    if others:
        return (
            f"{data} holds no {expected}, which {benchmark.name} is read from. It looks like the folder of "
            f"{' and '.join(others)}."
        )
    source = f", as distributed at {benchmark.url}" if benchmark.url else ""
    return f"{data} holds no {expected}: name the folder that {benchmark.name} was downloaded to{source}."


def benchmarks_in(data: Path) -> list[str]:
    """The benchmarks whose files lie in a folder."""
    from dynfocus_cli.evaluation.benchmark import benchmark_names, find_benchmark

    return [
        name
        for name in benchmark_names()
        if any(find_file(data, mark) for mark in find_benchmark(name).marks)
    ]


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UsageError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({reason(error)}).") from error


def read_json_rows(path: Path) -> list[Mapping[str, Any]]:
    """The objects in a JSON file that is a list of them.

    Raises:
        UsageError: it is something else.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path} is not a list of objects, as the official file is.")
    return [*rows]


def read_json_lines(path: Path) -> list[Mapping[str, Any]]:
    """The objects in a JSON Lines file, one a line; empty lines are passed over.

    Raises:
        UsageError: it cannot be read, or a line is no object; says which.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON Lines ({reason(error)}).") from error
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}, line {number}, is no JSON ({reason(error)}).") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number}, is not an object.")
        rows.append(row)
    return rows


def require_fields(path: Path, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Checks that each row of a file has these fields.

    Raises:
        UsageError: a row is no object, or lacks one of the fields, as in a file of another version; says
            which were expected.
    """
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise UsageError(f"{path} is of another version: entry {number} is not an object.")
        missing = [field for field in fields if field not in row]
        if missing:
            raise UsageError(
                f"{path} is of another version: entry {number} has no {', '.join(missing)}. Expected are the "
                f"fields {', '.join(fields)}."
            )


def as_list(value: Any) -> list[Any]:
    """A field that should be a list; empty where it is something else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """A field that should be a text, or a number in its place; None where it is null."""
    return None if value is None else str(value)


def json_bytes(content: object) -> bytes:
    """A file of a submission."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
