"""A folder that one process at a time works in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


class FolderInUse(Exception):
    """Another process works in it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps `folder`, which is there, for this process alone, also if another one moves it meanwhile.

    Where the file system knows no locks, or the system none for folders (Windows), nobody is kept out.

    Raises:
        FolderInUse: another process has it, or has just moved it away.
        OSError: it cannot be opened.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse from error
        except OSError:
            pass  # a file system that knows no locks
        if not os.path.samestat(os.stat(folder), os.fstat(handle)):
            raise FolderInUse
        yield
    finally:
        os.close(handle)
