"""The log of a training run: a line of JSON a step, and lines of validations between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dynfocus_cli.files import write_atomically

LOG = "log.jsonl"


def log_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's log."""
    with suppress(OSError):
        for line in (folder / LOG).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the last one, if the process was killed while it wrote
                yield json.loads(line)


def add_to_log(folder: Path, **figures: object) -> None:
    """Appends a line to a run's log."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(figures) + "\n")


def rewind(folder: Path, step: int) -> None:
    """Removes the lines of later steps than the last checkpoint's: these will be done, and logged, again."""
    log = folder / LOG
    lines = [json.dumps(line) + "\n" for line in log_lines(folder) if line.get("step", 0) <= step]
    if log.exists():
        write_atomically(log, "".join(lines).encode())
