"""Videos in an object store, such as s3://bucket/film.mp4: a worker copies one to its disk while it works.

The one place where a question uses the network, because the user named the address.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.errors import UsageError, VideoUnreadable, first_line

_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://", re.IGNORECASE)

PIECE = 8 << 20
"""Bytes that are copied at a time."""

SPARE = 1 << 30
"""Bytes of the disk that a copy leaves free."""


def is_remote(video: str) -> bool:
    """Whether it is an address and not a path: s3://bucket/film.mp4."""
    return _ADDRESS.match(video) is not None


def expand_remote(address: str, takes: Callable[[str], bool], *, recursive: bool) -> Iterator[str]:
    """The videos below an address, sorted; the address itself where it is no folder.

    Args:
        takes: whether a file of this name is taken.
        recursive: whether those in folders below it are, too.

    Raises:
        UsageError: no package for such addresses is installed.
        VideoUnreadable: the store cannot be reached, or there is nothing.
    """
    store, path = _store(address)
    try:
        if not store.isdir(path):
            yield address
            return
        names = sorted(store.find(path, maxdepth=None if recursive else 1))
    except Exception as error:
        raise VideoUnreadable(f"{address} cannot be reached: {first_line(error)}.") from error
    scheme = address.partition("://")[0]
    yield from (f"{scheme}://{name}" for name in names if takes(posixpath.basename(name)))


def remote_content(address: str) -> Content:
    """The identity of an object: its address, its size, and what the store says of its state, such as an
    ETag; nothing of it is read."""
    store, path = _store(address)
    try:
        return Content(f"object:{address} {store.ukey(path)}")
    except Exception:
        return Content(f"object:{address}")


@contextmanager
def local_copy(video: str, alive: Callable[[], None] = lambda: None) -> Iterator[str]:
    """The path of a video on this machine: its own, or that of a copy which is gone after the block.

    Args:
        alive: called while it is copied.

    Raises:
        UsageError: no package for such addresses is installed.
        VideoUnreadable: it cannot be copied, the copy is not as long as the object, or the disk is too small.
    """
    if not is_remote(video):
        yield video
        return
    store, path = _store(video)
    with tempfile.TemporaryDirectory(prefix="dynfocus-") as folder:
        copy = os.path.join(folder, posixpath.basename(path.rstrip("/")) or "video")
        _copy(video, store, path, copy, alive)
        yield copy


def _copy(video: str, store: Any, path: str, copy: str, alive: Callable[[], None]) -> None:
    try:
        size = int(store.info(path)["size"])
        free = shutil.disk_usage(os.path.dirname(copy)).free
        if size + SPARE > free:
            raise VideoUnreadable(
                f"{video} has {size / 2**30:.1f} GiB, and the worker's disk has {free / 2**30:.1f} GiB free: "
                "set TMPDIR to a larger one."
            )
        copied = 0
        with store.open(path, "rb") as source, open(copy, "wb") as target:
            while copied <= size and (piece := source.read(PIECE)):
                copied += len(piece)
                target.write(piece)
                alive()
    except VideoUnreadable:
        raise
    except Exception as error:
        raise VideoUnreadable(f"{video} cannot be copied: {first_line(error)}.") from error
    if copied != size:
        raise VideoUnreadable(f"{video} has {size} bytes, and {copied} came: it changed, or was cut off.")


def _store(address: str) -> tuple[Any, str]:
    import fsspec

    try:
        store, path = fsspec.url_to_fs(address)
    except ImportError as error:
        raise UsageError(f"{address} needs another package: {first_line(error)}.") from error
    except ValueError as error:
        raise UsageError(f"{address} is no address of a store that is known: {first_line(error)}.") from error
    return store, path
