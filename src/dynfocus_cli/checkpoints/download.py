"""Fetches files from the Hugging Face hub into the hub's own cache, and checks them; for `models pull`."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import tqdm

from dynfocus_cli.checkpoints.entries import RemoteFile
from dynfocus_cli.errors import DynFocusError, ModelUnavailable
from dynfocus_cli.files import CHUNK, digest_of

HUB = "https://huggingface.co"

# With it, the client would tell the hub what else runs here, and fetch a list of programs to look for first.
constants.HF_HUB_DISABLE_TELEMETRY = True

_SHA256, _GIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
"""What the hub states of a file: the SHA-256 of a large one, git's own digest of a small one."""


def fetch(repository: str, revision: str, file: RemoteFile, progress: Callable[[int], None]) -> Path:
    """A file in the hub's cache, fetched if it is not there; `progress` is given the bytes of each piece.

    Raises:
        ModelUnavailable: it is not what the hub states, and was thrown away; or the disk is full.
        Exception: the hub's client could not fetch it; for `reason`.
    """
    try:
        path = _cached(repository, revision, file, progress)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ModelUnavailable(
            f"{file.path} of {repository} could not be kept: the disk of the hub's cache is full. "
            "Make room, or name another place with HF_HOME, and run the same command again."
        ) from error
    if damage := _damage(path, file, repository):
        raise ModelUnavailable(damage)
    return path


@contextmanager
def hub_errors(message: Callable[[str], str]) -> Iterator[None]:
    """Turns what the hub's client raises into ModelUnavailable, with `message` of the reason."""
    try:
        yield
    except DynFocusError:
        raise
    except Exception as error:  # of httpx, of xet, of the hub; which ones depends on the hub's version
        raise ModelUnavailable(message(_reason(error))) from error


def _cached(repository: str, revision: str, file: RemoteFile, progress: Callable[[int], None]) -> Path:
    cached = try_to_load_from_cache(repository, file.path, revision=revision)
    if isinstance(cached, str):
        progress(Path(cached).stat().st_size)
        return Path(cached)
    # Asked first, since it fails at once where there is no network; a download tries for half a minute.
    get_hf_file_metadata(hf_hub_url(repository, file.path, revision=revision))
    return Path(hf_hub_download(repository, file.path, revision=revision, tqdm_class=_bar(progress)))


def _bar(progress: Callable[[int], None]) -> type[tqdm]:
    """A progress bar for the hub's client that draws nothing, and calls `progress` instead."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            progress(int(n or 0))

    return Bar


def _damage(path: Path, file: RemoteFile, repository: str) -> str:
    """What is wrong with a fetched file, which is then removed; empty where nothing is."""
    # The cache names its files by the digests that the hub stated.
    expected = file.sha256 or path.resolve().name
    if _SHA256.fullmatch(expected):
        digest = digest_of(path)
    elif _GIT.fullmatch(expected):
        digest = _git_digest(path)
    else:
        return f"The hub states no digest of {file.path} in {repository}, so it cannot be trusted."
    if digest == expected:
        return ""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return (
        f"{file.path} of {repository} is damaged: its digest is {digest}, and {expected} is right. It was "
        "removed from the hub's cache: run the same command again."
    )


def _git_digest(path: Path) -> str:
    """Git's name for a file's content, by which the hub knows files outside LFS."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids the network"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub does not know the repository, or keeps it from you"
    if isinstance(error, RemoteEntryNotFoundError | RevisionNotFoundError):
        return "the hub has no such file, or no such revision"
    message = (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
    return f"the hub cannot be reached ({message})"
