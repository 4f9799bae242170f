"""Reads the `config.json` of any model folder, and says what is wrong with it."""

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
    """The `config.json` of `folder`.

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
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable(f"{path} is no JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ModelUnavailable(f"{path} describes no model: it holds no object.")
    return config


@contextmanager
def sound(folder: Path) -> Iterator[None]:
    """Raises ModelUnavailable, which names the config.json, where the block can make no network of it."""
    try:
        yield
    except (DynFocusError, MemoryError):
        raise
    except Exception as error:  # torch raises nearly anything of sizes that it cannot build
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ModelUnavailable(f"The config.json in {folder} cannot be used: {said}.") from error
