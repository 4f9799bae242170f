"""The `config.json` of a folder that may be anybody's."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import DynFocusError, ModelUnavailable


def read_config(folder: Path) -> dict[str, Any]:
    """What `folder` says it is.

    Raises:
        ModelUnavailable: there is no such folder, it may not be opened, or has no `config.json` to be read.
    """
    path = folder / "config.json"
    if folder.is_dir() and not os.access(folder, os.X_OK):
        raise ModelUnavailable(f"{folder} cannot be opened: {os.strerror(errno.EACCES)}.")
    if not folder.exists():
        raise ModelUnavailable(f"There is no {folder}: name the folder that holds the model's config.json.")
    if not folder.is_dir():
        raise ModelUnavailable(
            f"{folder} is a file; a model is a folder with a config.json: name that, as {folder.parent}."
        )
    if not path.is_file():
        raise ModelUnavailable(f"{folder} is a folder without config.json, so no model.")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable(f"{path} is no JSON: {error}.") from error
    if not isinstance(given, dict):
        raise ModelUnavailable(f"{path} describes no model: it holds no object.")
    return given


@contextmanager
def sound(folder: Path) -> Iterator[None]:
    """Says that the `config.json` of `folder` is at fault where the block cannot make a network of it."""
    try:
        yield
    except (DynFocusError, MemoryError):
        raise
    except Exception as error:  # torch raises nearly anything of sizes that it cannot build
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ModelUnavailable(f"The config.json in {folder} cannot be used: {said}.") from error
