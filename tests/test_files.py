"""Atomic writes, locks and digests on a real disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynfocus_cli import files
from dynfocus_cli.files import (
    FolderInUse,
    atomic_file,
    digest_of,
    json_digest,
    known_digest,
    lock,
    locked_folder,
    write_atomically,
    write_if_possible,
    write_json,
)


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": "é", "a": 1})
    assert path.read_bytes() == b'{\n  "b": "\\u00e9",\n  "a": 1\n}\n'
    write_json(path, {"b": 2, "a": 1}, sort_keys=True)
    assert list(json.loads(path.read_text())) == ["a", "b"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_where_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_file(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not list(tmp_path.iterdir())


def test_a_new_file_is_as_readable_as_the_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_cache_that_cannot_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_if_possible(tmp_path / "new" / "a", b"1") is None
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "fsync", fail)
    assert write_if_possible(tmp_path / "new" / "a", b"2") == "No space left on device"
    assert (tmp_path / "new" / "a").read_bytes() == b"1"


HOLDS = """
import pathlib, sys
from dynfocus_cli.files import locked_folder
with locked_folder(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_one_processs_also_after_it_was_renamed(tmp_path: Path) -> None:
    folder, other = tmp_path / "one", tmp_path / "other"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse), locked_folder(folder):
            pass
        folder.rename(other)
        with pytest.raises(FolderInUse), locked_folder(other):
            pass
        holder.communicate()
    with locked_folder(other):
        assert list(other.iterdir()) == []


def test_nobody_is_kept_out_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "lock", fail)
    with locked_folder(tmp_path), locked_folder(tmp_path):
        pass


def test_a_lock_ends_with_its_handle(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert lock(first)
        assert not lock(second)
        os.close(first)
        assert lock(second)
    finally:
        os.close(second)


def test_a_digest_read_in_pieces_is_the_same(tmp_path: Path) -> None:
    path, read = tmp_path / "a", list[int]()
    path.write_bytes(b"x" * (files.CHUNK + 5))
    assert digest_of(path, read.append) == digest_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read == [files.CHUNK, 5]
    assert json_digest({"b": 1, "a": 2}, sort_keys=True) == hashlib.sha256(b'{"a": 2, "b": 1}').hexdigest()


def test_a_record_that_is_damaged_is_worked_out_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, folder = tmp_path / "a", tmp_path / "files"
    path.write_bytes(b"content")
    os.utime(path, (1000, 1000))
    digest = known_digest(path, folder)
    (record,) = folder.iterdir()
    assert json.loads(record.read_text())["sha256"] == digest
    for damaged in ("", "[]", record.read_text().replace(digest, "00")):
        record.write_text(damaged)
        monkeypatch.setattr(files, "_digests", {})
        assert known_digest(path, folder) == digest
