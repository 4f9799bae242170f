"""From the Hugging Face hub to an installed model. Nothing else in dynfocus uses the network."""

from __future__ import annotations

import errno
import hashlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import tqdm

from dynfocus_cli.checkpoints.convert import convert
from dynfocus_cli.checkpoints.entries import ModelEntry, RemoteFile, Repository
from dynfocus_cli.checkpoints.quantization import Quantization
from dynfocus_cli.checkpoints.record import CHUNK, digest_of
from dynfocus_cli.checkpoints.registry import models_folder
from dynfocus_cli.checkpoints.size import Megabytes
from dynfocus_cli.checkpoints.sources.recognise import open_source
from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError
from dynfocus_cli.progress import Progress

HUB = "https://huggingface.co"

_SHA256, _GIT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")
"""What the hub states of a file: the SHA-256 of a large one, git's own digest of a small one."""


def pull(entry: ModelEntry, quantization: Quantization, progress: Progress) -> Path:
    """Fetches, checks, converts and installs a model; returns its folder.

    What was fetched stays in the hub's own cache. A second run goes on with the first file that is not whole.

    Raises:
        UsageError: it is here already.
        ModelUnavailable: it cannot be fetched; the message says how to do it by hand. Or a file is damaged,
            or cannot be converted.
    """
    destination = models_folder() / entry.name
    if not entry.repositories:
        raise UsageError(f"{entry.name} comes with dynfocus: there is nothing to pull.")
    if destination.exists():
        raise UsageError(f"{entry.name} is installed in {destination}: remove that folder to pull it anew.")
    told = Megabytes(progress, "download", entry.download_bytes)
    own, *others = (_fetch(entry, repository, quantization, told) for repository in entry.repositories)
    source = open_source(own, question_tokenizer=next(iter(others), None))
    origin = tuple(f"{repository.id}@{repository.revision}" for repository in entry.repositories)
    return convert(source, destination, quantization, progress, licence=entry.licence, origin=origin)


def _fetch(
    entry: ModelEntry, repository: Repository, quantization: Quantization, told: Callable[[int], None]
) -> Path:
    """The folder with all files of a repository that are needed, each as the hub has it."""
    paths = []
    for file in repository.files:
        try:
            path = _file(repository, file, told)
            if damage := _damage(path, file, repository):
                raise ModelUnavailable(damage)
        except DynFocusError:
            raise
        except Exception as error:  # of httpx, of xet, of the hub; which ones depends on the hub's version
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise ModelUnavailable(
                    f"{file.path} of {repository.id} could not be kept: the disk of the hub's cache is full. "
                    "Make room, or name another place with HF_HOME, and run the same command again."
                ) from error
            raise ModelUnavailable(_by_hand(entry, quantization, _reason(error))) from error
        paths.append(path)
    return paths[0].parents[repository.files[0].path.count("/")]


def _file(repository: Repository, file: RemoteFile, told: Callable[[int], None]) -> Path:
    """A file in the hub's cache."""
    kept = try_to_load_from_cache(repository.id, file.path, revision=repository.revision)
    if isinstance(kept, str):
        told(Path(kept).stat().st_size)
        return Path(kept)
    # Asked first, since it fails at once where there is no network; a download tries for half a minute.
    get_hf_file_metadata(hf_hub_url(repository.id, file.path, revision=repository.revision))
    return Path(
        hf_hub_download(repository.id, file.path, revision=repository.revision, tqdm_class=_bar(told))
    )


def _bar(told: Callable[[int], None]) -> type[tqdm]:
    """What the hub takes for a progress bar: it draws nothing, and passes on what it is told."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            told(int(n or 0))

    return Bar


def _damage(path: Path, file: RemoteFile, repository: Repository) -> str:
    """What is wrong with a fetched file, which is then removed; empty where nothing is."""
    # The cache names what it holds by what the hub stated of it.
    expected = file.sha256 or path.resolve().name
    if _SHA256.fullmatch(expected):
        found = digest_of(path)
    elif _GIT.fullmatch(expected):
        found = _git_digest(path)
    else:
        return f"The hub states no digest of {file.path} in {repository.id}, so it cannot be trusted."
    if found == expected:
        return ""
    path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return (
        f"{file.path} of {repository.id} is damaged: its digest is {found}, and {expected} is right. It was "
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
    said = (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")
    return f"the hub cannot be reached ({said})"


def _by_hand(entry: ModelEntry, quantization: Quantization, reason: str) -> str:
    """How to install a model without the hub's client."""
    # Below a dot, so that it does not look installed.
    folder, destination = models_folder() / ".downloads" / entry.name, models_folder() / entry.name
    lines = [f"{entry.name} could not be fetched: {reason}. By hand, with files from another machine:"]
    for repository in entry.repositories:
        lines.append(f"from {HUB}/{repository.id}/tree/{repository.revision}")
        for file in repository.files:
            digest = f"   SHA-256 {file.sha256}" if file.sha256 else ""
            lines.append(f"  {file.path} -> {folder / file.path}{digest}")
    lines.append("and then run")
    command = ["dynfocus", "models", "convert", str(folder), str(destination), "--quantize", quantization]
    return "\n".join([*lines, f"  {shlex.join(command)}"])
