"""The folder of a training run, and what the run was begun with: a run with other settings is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.files import FolderInUse, locked_folder, write_json

SETTINGS = "run.json"


def run_folder(destination: Path) -> Path:
    """The folder of the run that makes the model folder `destination`."""
    return destination.with_name(f"{destination.name}.training")


def require_free(destination: Path) -> None:
    """Raises UsageError where `destination` exists."""
    if os.path.lexists(destination):
        raise UsageError(f"{destination} exists already: remove it, or name another place.")


@contextmanager
def open_run(destination: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a run, for this process alone.

    Args:
        settings: all that decides on the run's losses, by the names that a message gives them.

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
            _require_same(folder, json.loads(json.dumps(settings)))
        except FolderInUse as error:
            raise ModelUnavailable(
                f"{folder} is in use by another process: wait for it, or stop it."
            ) from error
        except OSError as error:
            raise ModelUnavailable(f"{folder} cannot be written: {error.strerror}.") from error
        yield folder


def load(path: Path) -> dict[str, Any] | None:
    """The content of a file of JSON; None where there is none, or a damaged one."""
    with suppress(OSError, ValueError):
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record
    return None


def _require_same(folder: Path, now: dict[str, Any]) -> None:
    file = folder / SETTINGS
    before = load(file)
    if before is None:
        if file.exists():
            raise UsageError(f"{file} is damaged, and what was trained cannot be told: remove {folder}.")
        write_json(file, now)
        return
    differences = [
        f"{name}: {_shown(before.get(name))} then, {_shown(now.get(name))} now"
        for name in now | before
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise UsageError(
            f"{folder} holds a run that was begun in another way ({'; '.join(differences)}): give the same "
            "command, remove it, or name another place."
        )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
