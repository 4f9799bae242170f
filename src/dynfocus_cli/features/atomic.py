"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

TEMPORARY = ".tmp-"
"""How the names of files begin that are not complete yet, or never will be."""

TRIES = 10
"""As often as other processes may remove the folder in the meantime."""


def write_atomically(path: Path, data: bytes) -> str | None:
    """Writes a file so that another process finds all of it or nothing; None, or what went wrong.

    A cache that cannot be written is no failure of the question that was asked, so nothing is raised.
    """
    for _ in range(TRIES):
        try:
            _write(path, data)
            return None
        except (FileNotFoundError, FileExistsError) as error:
            # Another process removed the folder: before the file was there, or while `mkdir` found it there.
            problem = error.strerror
        except OSError as error:
            return error.strerror
    return problem


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
