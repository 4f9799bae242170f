"""The staging folder: `NAME.partial`, in which a model is written, beside its destination, until it is whole.

It belongs to one process at a time, and config.json is written into it last, so that nothing loads it. A
process that dies leaves it for the next one to go on with.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.files import FolderInUse, flush, locked_folder

SUFFIX = ".partial"


@contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """A staging folder for this process alone, to be moved to `destination` by `commit`.

    Where the disk fails, whole shards that the block has written stay.

    Raises:
        UsageError: `destination` exists.
        ModelUnavailable: another process is writing it, or the disk is at fault.
    """
    if os.path.lexists(destination):
        raise UsageError(f"{destination} exists already: remove it, or name another place.")
    partial = destination.with_name(f"{destination.name}{SUFFIX}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with locked_folder(partial):
            # Between the steps another process may have moved its staging folder to the destination.
            if os.path.lexists(destination):
                with suppress(OSError):
                    partial.rmdir()  # ours alone, and empty
                raise FolderInUse
            yield partial
    except FolderInUse as error:
        raise ModelUnavailable(
            f"{destination} is being written by another process: wait for it, or name another place."
        ) from error
    except OSError as error:
        kept = ""
        if any(partial.glob("*.safetensors")):
            kept = (
                f" What is done is kept in {partial}: make room and run the same command again, or remove it."
            )
        else:
            abandon(partial)
        raise ModelUnavailable(
            f"{destination} could not be written: {error.strerror or error}.{kept}"
        ) from error


def clear(partial: Path, keep: Collection[str] = ()) -> None:
    """Removes all that the folder holds but what is in `keep`, config.json first."""
    (partial / "config.json").unlink(missing_ok=True)
    for path in partial.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def abandon(partial: Path) -> None:
    """Removes the folder with all that it holds, as far as that can be done."""
    with suppress(OSError):
        clear(partial)
        partial.rmdir()


def commit(partial: Path, destination: Path) -> None:
    """Moves the staging folder to its destination, once all of it has reached the disk."""
    for path in sorted(partial.rglob("*")):
        flush(path)
    flush(partial)
    partial.rename(destination)
    flush(destination.parent)
