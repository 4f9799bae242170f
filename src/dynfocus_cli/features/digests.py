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


def digest_of(path: str | os.PathLike[str], memos: Path) -> str:
    """SHA-256 of the file's content, remembered in `memos` for as long as the file stays the same on disk.

    Raises:
        OSError: the file cannot be read.
    """
    before = _stamp(path)
    memo = memos / f"{hashlib.sha256(json.dumps(before).encode()).hexdigest()}.json"
    try:
        remembered = json.loads(memo.read_text(encoding="utf-8"))
        if remembered["file"] == before and len(bytes.fromhex(remembered["sha256"])) == 32:
            return str(remembered["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or a damaged one
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    settled = time.time() - os.stat(path).st_mtime > RACY_S
    if settled and _stamp(path) == before:
        text = json.dumps({"file": before, "sha256": digest})
        write_atomically(memo, text.encode())
    return digest


def _stamp(path: str | os.PathLike[str]) -> list[str | int]:
    """What changes when a file does; the name as hex digits, since it need not be text, and JSON is."""
    status = os.stat(path)
    name = os.fsencode(os.path.realpath(path)).hex()
    return [name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
