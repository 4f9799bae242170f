"""The digest of a file's content, worked out once."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from dynfocus_cli.features.atomic import write_atomically

RACY_S = 2.0
"""A file changed so recently may change again without its time stamp showing it, so it is not remembered."""

Stamp = tuple[str | int, ...]

_known: dict[Stamp, str] = {}
"""What this process has worked out, for all its threads: no two files, and no two states of one, have a stamp
in common."""


def digest_of(path: str | os.PathLike[str], memos: Path | None = None) -> str:
    """SHA-256 of the file's content, in hex, remembered for as long as the file stays the same on disk.

    Args:
        memos: a folder that remembers for later processes; None leaves it to this one.

    Raises:
        OSError: the file cannot be read.
    """
    before = _stamp(path)
    if (known := _known.get(before)) is not None:
        return known
    memo = None if memos is None else memos / f"{_name(before)}.json"
    digest = None if memo is None else _remembered(memo, before)
    if digest is None:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        settled = time.time() - os.stat(path).st_mtime > RACY_S
        if not settled or _stamp(path) != before:
            return digest
        if memo is not None:
            write_atomically(memo, json.dumps({"file": before, "sha256": digest}).encode())
    _known[before] = digest
    return digest


def _remembered(memo: Path, stamp: Stamp) -> str | None:
    """What a memo says of a file with this stamp; None where there is none, or a damaged one."""
    try:
        remembered = json.loads(memo.read_text(encoding="utf-8"))
        if remembered["file"] == list(stamp) and len(bytes.fromhex(remembered["sha256"])) == 32:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _name(stamp: Stamp) -> str:
    return hashlib.sha256(json.dumps(stamp).encode()).hexdigest()


def _stamp(path: str | os.PathLike[str]) -> Stamp:
    """What changes when a file does; the name as hex digits, since it need not be text, and JSON is."""
    status = os.stat(path)
    name = os.fsencode(os.path.realpath(path)).hex()
    return (name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
