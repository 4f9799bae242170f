"""Patch features kept on disk, so that the next question on a video need not decode it again.

    <folder>/features/<key>/<digest>.safetensors    frames that one question added
    <folder>/files/<stamp>.json                     digests of video files

A key stands for a file's content and all else that features depend on; the question is no part of it. A file
is named by the digest of its bytes: one that does not match is damaged and ignored. Files are only ever added
or removed whole, so processes share a cache without locks: at worst two decode the same frames.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.errors import UsageError
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.files import (
    TEMPORARY,
    expand,
    json_digest,
    known_digest,
    remembered_digest,
    user_folder,
    write_if_possible,
)

if TYPE_CHECKING:
    from dynfocus_cli.types import Condition

ATTEMPTS = 20
"""At removing a folder to which another process keeps adding."""
FORMAT = 2
"""Of the files below, and of how a file becomes pictures. Another number makes other keys."""

DEFAULT_SIZE = "5GiB"

ABANDONED_S = 3600.0
"""A temporary file this old is of a process that died."""

_CONDITIONS: tuple[Condition, ...] = ("sound", "corrupt", "substituted")
_KEY = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9a-f]{64}\.safetensors")
_MEMO = re.compile(r"[0-9a-f]{64}\.json")
_TEMPORARY = re.compile(re.escape(TEMPORARY) + ".*")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds, or what was removed of it."""

    folder: str
    videos: int
    """Videos, counted once for each model and setting that read them."""
    size: int
    """Bytes."""
    limit: int
    """Bytes; 0 where the cache is off."""


def feature_key(digest: str, settings: Mapping[str, str | int]) -> str:
    """What a video's features are kept under: its content's digest, and the settings they depend on."""
    return json_digest({"format": FORMAT, "file": digest, "settings": dict(settings)}, sort_keys=True)


def parse_size(text: str) -> int:
    """Bytes.

        "5GiB" -> 5368709120    "500 MB" -> 500000000    "0" -> 0

    Raises:
        UsageError: it is no size.
    """
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE | re.ASCII)
    if size is None or (size[3] and not size[2]):
        raise UsageError(f"DYNFOCUS_CACHE_SIZE must be a size like 5GiB, 500MB or 0, got {text!r}.")
    return int(float(size[1]) * (1024 if size[3] else 1000) ** _POWERS[size[2].upper()])


class FeatureCache:
    """Features of sampled frames in a folder of bounded size; the least recently used are removed first."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._features, self._files = folder / "features", folder / "files"

    @classmethod
    def default(cls) -> FeatureCache | None:
        """The user's cache: `DYNFOCUS_CACHE_DIR` or the system's place for caches, and at most
        `DYNFOCUS_CACHE_SIZE`; None where that is 0.

        Raises:
            UsageError: `DYNFOCUS_CACHE_SIZE` is no size.
        """
        cache = cls.of_user()
        return cache if cache.limit else None

    @classmethod
    def of_user(cls) -> FeatureCache:
        """The same, also where the cache is off."""
        chosen = os.environ.get("DYNFOCUS_CACHE_DIR")
        return cls(
            expand(chosen) if chosen else user_folder("cache"),
            parse_size(os.environ.get("DYNFOCUS_CACHE_SIZE") or DEFAULT_SIZE),
        )

    def digest(self, path: str | os.PathLike[str]) -> str:
        """SHA-256 of a file's content. Raises OSError where it cannot be read."""
        return known_digest(path, self._files)

    def remembered_digest(self, path: str | os.PathLike[str]) -> str | None:
        """The same where the file need not be read for it, else None. Raises OSError likewise."""
        return remembered_digest(path, self._files)

    def look_up(self, key: str, moments_s: Sequence[float]) -> EncodedFrames | None:
        """The frames kept under `key` for those of the moments that are known, or None."""
        entry = self._features / key
        missing, parts = set(moments_s), list[EncodedFrames]()
        for frames in filter(None, map(_read, _files(entry, _SHARD))):
            if places := frames.places(tuple(missing)):
                parts.append(frames.rows(places))
            missing.difference_update(frames.times_s)
        if not parts:
            return None
        with suppress(OSError):
            os.utime(entry)  # used just now
        return EncodedFrames.joined(parts)

    def store(self, key: str, frames: EncodedFrames) -> str | None:
        """Keeps frames under `key`, beside those already there; None, or a warning where that failed."""
        import torch
        from safetensors.torch import save

        conditions = [_CONDITIONS.index(condition) for condition in frames.conditions]
        data = save(
            {
                "times_s": torch.tensor(frames.times_s, dtype=torch.float64),
                "pts_s": torch.tensor(frames.pts_s, dtype=torch.float64),
                "conditions": torch.tensor(conditions, dtype=torch.uint8),
                "patches": frames.patches.contiguous(),
            }
        )
        name = f"{hashlib.sha256(data).hexdigest()}.safetensors"
        problem = write_if_possible(self._features / key / name, data)
        self._make_room(key)
        if problem is None:
            return None
        return (
            f"This video's features could not be kept in {self.folder} ({problem}), so the next question "
            "decodes it again: free some space, set DYNFOCUS_CACHE_DIR, or give `cache=False`."
        )

    def info(self) -> CacheInfo:
        """What the cache holds. Raises OSError where its folder cannot be read."""
        entries = list(self._entries())
        size = sum(_size(entry, _SHARD) for entry in entries) + _size(self._files, _MEMO)
        return CacheInfo(str(self.folder), len(entries), size, self.limit)

    def clear(self) -> CacheInfo:
        """Removes what the cache holds, and nothing else in its folder; says what that was.

        Raises:
            OSError: something cannot be removed.
        """
        removed = self.info()
        for entry in self._entries():
            _remove(entry)
        for folder, kind in ((self._files, _MEMO), (self._files, _TEMPORARY)):
            for file in _files(folder, kind):
                file.unlink(missing_ok=True)
        return removed

    def _entries(self) -> Iterator[Path]:
        if self._features.is_dir():
            for entry in sorted(self._features.iterdir()):
                if _KEY.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
                    yield entry

    def _make_room(self, newest: str) -> None:
        """Removes entries, the least recently used first and `newest` last, until the limit holds."""
        with suppress(OSError):  # another process is at it
            ages = {entry: entry.stat().st_mtime for entry in self._entries()}
            sizes = {entry: _size(entry, _SHARD) for entry in ages}
            total = sum(sizes.values())
            for entry in sorted(ages, key=lambda entry: (entry.name == newest, ages[entry], entry.name)):
                _sweep(entry)
                if total > self.limit:
                    _evict(entry)
                    total -= sizes[entry]


def _remove(entry: Path) -> None:
    """Removes a folder in which other processes may write and remove, too.

    Raises:
        OSError: something cannot be removed.
    """
    for _ in range(ATTEMPTS):
        try:
            return shutil.rmtree(entry)
        except OSError as error:
            if not entry.exists():
                return
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise
    shutil.rmtree(entry)


def _files(folder: Path, kind: re.Pattern[str]) -> list[Path]:
    """Files of a kind in `folder`, by name; none where it is gone."""
    try:
        return sorted(file for file in folder.iterdir() if kind.fullmatch(file.name))
    except OSError:
        return []


def _size(folder: Path, kind: re.Pattern[str]) -> int:
    total = 0
    for file in _files(folder, kind):
        with suppress(OSError):  # removed just now
            total += file.stat().st_size
    return total


def _evict(entry: Path) -> None:
    """Removes an entry's features; its folder stays if another process is writing into it."""
    with suppress(OSError):
        for shard in _files(entry, _SHARD):
            shard.unlink(missing_ok=True)
        entry.rmdir()


def _sweep(entry: Path) -> None:
    """Removes what processes that died left there."""
    for file in _files(entry, _TEMPORARY):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > ABANDONED_S:
                file.unlink()


def _read(shard: Path) -> EncodedFrames | None:
    """The frames in a file; None, and the file is removed, where it is not what was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    with suppress(OSError, KeyError, ValueError, IndexError, SafetensorError):
        data = shard.read_bytes()
        if hashlib.sha256(data).hexdigest() == shard.stem:
            tensors = load(data)
            return EncodedFrames(
                tuple(tensors["times_s"].tolist()),
                tuple(tensors["pts_s"].tolist()),
                tuple(_CONDITIONS[number] for number in tensors["conditions"].tolist()),
                tensors["patches"],
            )
    with suppress(OSError):
        shard.unlink(missing_ok=True)
    return None
