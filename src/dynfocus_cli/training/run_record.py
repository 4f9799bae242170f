"""What a run was begun with: `run.json` beside its checkpoints, so that no other goes on from them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.files import FolderInUse, locked_folder, write_json

FILE = "run.json"
SUFFIX = ".training"
"""How the folder of a run is called: the model's, and this."""


def run_folder(destination: Path) -> Path:
    """Where checkpoints and log of a run lie that is to make `destination`."""
    return destination.with_name(destination.name + SUFFIX)


def require_free(destination: Path) -> None:
    """Raises UsageError where a model would have to make way."""
    if os.path.lexists(destination):
        raise UsageError(f"{destination} exists already: remove it, or name another place.")


@contextmanager
def begun(destination: Path, begins_with: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a run, for this process alone.

    Args:
        begins_with: all that decides on the run's curve: option, or what else it is -> value.

    Raises:
        UsageError: `destination` exists, or the folder is of a run with other settings.
        ModelUnavailable: it is in use, or cannot be written.
    """
    require_free(destination)
    folder = run_folder(destination)
    with ExitStack() as lock:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.enter_context(locked_folder(folder))
        except FolderInUse as error:
            raise ModelUnavailable(
                f"{folder} is in use by another process: wait for it, or stop it."
            ) from error
        except OSError as error:
            raise ModelUnavailable(f"{folder} cannot be written: {error.strerror}.") from error
        _agree(folder, json.loads(json.dumps(begins_with)))
        yield folder


def load(path: Path) -> dict[str, Any] | None:
    """What a file of JSON holds; None where there is none, or a damaged one."""
    with suppress(OSError, ValueError):
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    return None


def _agree(folder: Path, now: dict[str, Any]) -> None:
    before = load(folder / FILE)
    if before is None and (folder / FILE).exists():
        raise UsageError(f"{folder / FILE} is damaged, and what was trained cannot be told: remove {folder}.")
    if before is None:
        try:
            write_json(folder / FILE, now)
        except OSError as error:
            raise ModelUnavailable(f"{folder} cannot be written: {error.strerror}.") from error
        return
    other = [
        f"{name}: {_said(before.get(name))} then, {_said(now.get(name))} now"
        for name in now | before
        if before.get(name) != now.get(name)
    ]
    if other:
        raise UsageError(
            f"{folder} holds a run that was begun in another way ({'; '.join(other)}): give the same "
            "command, remove it, or name another place."
        )


def _said(value: Any) -> str:
    return "none" if value is None else str(value)
