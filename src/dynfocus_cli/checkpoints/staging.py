"""The folder that a model is written in until it is whole: `NAME.partial`, beside its place.

It belongs to one process at a time, and holds no config.json before all else is written, so nothing would
load it. A process that dies leaves it for the next one to go on with.
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
    """The folder to write in, for this process alone; it must be moved to `destination` by `finish`.

    A block that fails because the disk does leaves what it has written. One that fails because of what it
    reads leaves nothing: going on with it would fail again.

    Raises:
        UsageError: `destination` exists.
        ModelUnavailable: another process is writing it, or the disk is at fault.
    """
    _refuse(destination)
    partial = destination.with_name(f"{destination.name}{SUFFIX}")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with locked_folder(partial):
            # Between the steps another process may have finished, and moved away the folder that was there.
            if os.path.lexists(destination):
                with suppress(OSError):
                    partial.rmdir()  # ours alone, and empty
                raise _busy(destination)
            yield partial
    except FolderInUse as error:
        raise _busy(destination) from error
    except OSError as error:
        raise ModelUnavailable(
            f"{destination} could not be written: {error.strerror or error}.{_kept(partial)}"
        ) from error


def clear(partial: Path, keep: Collection[str] = ()) -> None:
    """Removes all that the folder holds, config.json first, and leaves the folder and what is in `keep`."""
    (partial / "config.json").unlink(missing_ok=True)
    for found in partial.iterdir():
        if found.name in keep:
            continue
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink()


def abandon(partial: Path) -> None:
    """Removes the folder with all that it holds, as far as that can be done."""
    with suppress(OSError):
        clear(partial)
        partial.rmdir()


def finish(partial: Path, destination: Path) -> None:
    """Gives the folder its name, once all of it has reached the disk."""
    for found in sorted(partial.rglob("*")):
        flush(found)
    flush(partial)
    partial.rename(destination)
    flush(destination.parent)


def _refuse(destination: Path) -> None:
    if os.path.lexists(destination):
        raise UsageError(f"{destination} exists already: remove it, or name another place.")


def _kept(partial: Path) -> str:
    """What to do with a folder that could not be finished; one without a whole shard goes at once."""
    if not any(partial.glob("*.safetensors")):
        abandon(partial)
        return ""
    return f" What is done is kept in {partial}: make room and run the same command again, or remove it."


def _busy(destination: Path) -> ModelUnavailable:
    return ModelUnavailable(
        f"{destination} is being written by another process: wait for it, or name another place."
    )
