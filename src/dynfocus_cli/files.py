"""Files and folders: atomic writes, locks, digests, and where a user's own files are.

An atomic write leaves the old file or all of the new one, whoever looks and whenever the power fails.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

TEMPORARY = ".tmp-"
"""How the names of files begin that are still being written, or were when their process died."""

TRIES = 10
"""How often a file is written again after another process removed its folder."""

CHUNK = 1 << 20
"""Bytes read at a time."""

RACY_S = 2.0
"""A file changed so recently may change again without its time stamp showing it, so it is not remembered."""

NO_HOME = Path(os.devnull)
"""The home of a user without one, as in a container or a service: nothing is there, and nothing is kept."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A new name beside `path` for the block to write a file under, which then takes the place of `path`.

    If the block fails, what stood at `path` stays there.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.urandom(8).hex()}")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` as an atomic file. Raises OSError."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content: object, *, sort_keys: bool = False) -> None:
    """Writes `content` as an atomic file of indented JSON. Raises OSError."""
    text = json.dumps(content, indent=2, sort_keys=sort_keys) + "\n"
    write_atomically(path, text.encode())


def write_if_possible(path: Path, data: bytes) -> str | None:
    """Writes an atomic file, and the private folder that it is in; returns None, or what went wrong.

    For caches: that one cannot be written is no failure of the question that was asked.
    """
    for _ in range(TRIES):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, data)
            return None
        except (FileNotFoundError, FileExistsError) as error:
            # Another process removed the folder: before the file was there, or while `mkdir` found it there.
            problem = error.strerror
        except OSError as error:
            return error.strerror
    return problem


def flush(path: Path) -> None:
    """Waits until a file, or a folder's list of files, has reached the disk."""
    windows = os.name == "nt"  # which opens no folder, and writes out no file that is open to be read
    if windows and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def umask() -> int:
    """The process's own; it can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def reason(error: Exception) -> str:
    """Why a file could not be used, in the system's words where it has any."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def is_same_file(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether both paths lead to one file; False where either leads nowhere."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False


def lock(handle: int) -> bool:
    """Locks an open file or folder for this process until it is closed; False if another process has it.

    Raises:
        OSError: the system or the file system has no such locks.
    """
    from filelock import lock_descriptor

    if os.name == "nt":  # has none for folders, and those for files keep readers out
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    return lock_descriptor(handle, blocking=False)


class FolderInUse(Exception):
    """Another process works in a folder."""


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keeps an existing folder for this process alone, also while it is renamed.

    Where the system or the file system has no locks, nobody is kept out.

    Raises:
        FolderInUse: another process has it, or has just moved it away.
        OSError: it cannot be opened.
    """
    if os.name == "nt":  # opens no folders
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            free = lock(handle)
        except OSError:
            free = True
        if not free or not os.path.samestat(os.stat(folder), os.fstat(handle)):
            raise FolderInUse
        yield
    finally:
        os.close(handle)


Stamp = tuple[str | int, ...]
"""Path, device, inode, size and time of change of a file: another one once its content is another."""

_digests: dict[Stamp, str] = {}
"""What `known_digest` has worked out in this process, for all its threads."""


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """What tells a file's state from another one. Raises OSError."""
    status = os.stat(path)
    name = os.fsencode(os.path.realpath(path)).hex()  # a name need not be text, and JSON is
    return (name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def state_of(path: str | os.PathLike[str]) -> Stamp | None:
    """The same; None where the file has gone, or cannot be reached."""
    try:
        return stamp_of(path)
    except (OSError, ValueError):
        return None


def digest_of(path: str | os.PathLike[str], progress: Callable[[int], object] | None = None) -> str:
    """SHA-256 of a file's content, in hex; `progress` is given the bytes of each piece as it is read."""
    with open(path, "rb") as file:
        if progress is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress(len(chunk))
        return digest.hexdigest()


def known_digest(path: str | os.PathLike[str], folder: Path | None = None) -> str:
    """SHA-256 of a file's content, in hex, remembered for as long as the file stays the same on disk.

    Args:
        folder: where it is remembered for later processes; None: in this process alone.

    Raises:
        OSError: the file cannot be read.
    """
    stamp = stamp_of(path)
    if (known := _remembered(stamp, folder)) is not None:
        return known
    digest = digest_of(path)
    if time.time() - os.stat(path).st_mtime <= RACY_S or stamp_of(path) != stamp:
        return digest
    if folder is not None:
        record = json.dumps({"file": stamp, "sha256": digest}).encode()
        write_if_possible(_record_of(stamp, folder), record)
    _digests[stamp] = digest
    return digest


def remembered_digest(path: str | os.PathLike[str], folder: Path | None = None) -> str | None:
    """What `known_digest` returns where it need not read the file, else None.

    Raises:
        OSError: the file cannot be reached.
    """
    return _remembered(stamp_of(path), folder)


def _remembered(stamp: Stamp, folder: Path | None) -> str | None:
    if stamp not in _digests and folder is not None:
        digest = _recorded(_record_of(stamp, folder), stamp)
        if digest is not None:
            _digests[stamp] = digest
    return _digests.get(stamp)


def _record_of(stamp: Stamp, folder: Path) -> Path:
    """Where the digest of the file with this stamp is remembered."""
    return folder / f"{json_digest(stamp)}.json"


def json_digest(content: object, *, sort_keys: bool = False) -> str:
    """SHA-256 of `content` as JSON, in hex."""
    return hashlib.sha256(json.dumps(content, sort_keys=sort_keys).encode()).hexdigest()


def _recorded(record: Path, stamp: Stamp) -> str | None:
    """The digest that `record` has for a file with this stamp; None if there is none, or it is damaged."""
    try:
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if content["file"] == list(stamp) and len(bytes.fromhex(content["sha256"])) == 32:
            return str(content["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def user_folder(kind: Literal["cache", "config", "data"]) -> Path:
    """Where dynfocus keeps its cache, its settings, or its models, such as `~/.cache/dynfocus`."""
    import platformdirs

    try:
        return Path(getattr(platformdirs, f"user_{kind}_dir")("dynfocus"))
    except RuntimeError:  # no HOME, and a user id without an entry in the password file
        return NO_HOME / kind / "dynfocus"


def expand(path: str) -> Path:
    """A path as a user writes it, absolute: `~/models` -> `/home/ada/models`."""
    expanded = os.path.expanduser(path)
    return (NO_HOME / expanded[1:].lstrip("/") if expanded.startswith("~/") else Path(expanded)).absolute()
