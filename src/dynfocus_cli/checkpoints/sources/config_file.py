"""The `config.json` of a folder that may be anybody's."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import DynFocusError, ModelUnavailable

_WRONG_TYPE = re.compile(r"Field '([^']+)' expected (.+?), got .+? \(value: (.*)\)$")
_WRONG_VALUE = re.compile(r"Validation error for field '([^']+)': (?:\w+Error: )?(?:Value error, )?(.*?)\.?$")
_OF_A_VALIDATOR = re.compile(
    r"^Class validation error for validator '[^']+': (?:\w+Error: )?(?:Value error, )?"
)
"""As huggingface_hub's validators, by which transformers' configs are checked, word it."""


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
    except Exception as error:  # transformers and its validators raise nearly anything
        raise ModelUnavailable(f"The config.json in {folder} cannot be used: {_fault(error)}.") from error


def _fault(error: Exception) -> str:
    """What is wrong, in words for the user of a config: of a validator's report, the field and its value.

    "... 'hidden_size': TypeError: Field 'hidden_size' expected int, got str (value: 'x')"
    -> "hidden_size must be int, got 'x'"
    """
    said = " ".join(str(error).split()) or type(error).__name__
    if match := _WRONG_TYPE.search(said):
        field, kind, value = match.groups()
        return f"{field} must be {kind}, got {value}"
    if match := _WRONG_VALUE.search(said):
        field, reason = match.groups()
        return f"{field}: {reason}"
    return _OF_A_VALIDATOR.sub("", said).rstrip(".")
