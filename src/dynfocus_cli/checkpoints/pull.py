"""From the Hugging Face hub to an installed model. Nothing else in dynfocus uses the network."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from dynfocus_cli.checkpoints.convert import convert
from dynfocus_cli.checkpoints.download import HUB, fetch, hub_errors
from dynfocus_cli.checkpoints.entries import ModelEntry, Repository
from dynfocus_cli.checkpoints.registry import models_folder
from dynfocus_cli.checkpoints.size import Megabytes
from dynfocus_cli.checkpoints.sources.recognise import open_source
from dynfocus_cli.errors import UsageError
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import Quantization


def pull(entry: ModelEntry, quantization: Quantization, progress: Progress) -> Path:
    """Fetches, checks, converts and installs a model of ours; returns its folder.

    The files stay in the hub's own cache. A second run goes on with the first that is not whole.

    Raises:
        UsageError: it is installed already.
        ModelUnavailable: it cannot be fetched; the message says how to do it by hand. Or a file is damaged,
            or cannot be converted.
    """
    destination = models_folder() / entry.name
    if not entry.repositories:
        raise UsageError(f"{entry.name} comes with dynfocus: there is nothing to pull.")
    if destination.exists():
        raise UsageError(f"{entry.name} is installed in {destination}: remove that folder to pull it anew.")
    megabytes = Megabytes(progress, "download", entry.download_bytes)
    own, *others = (_fetch(entry, repository, quantization, megabytes) for repository in entry.repositories)
    source = open_source(own, question_tokenizer=next(iter(others), None))
    origin = tuple(f"{repository.id}@{repository.revision}" for repository in entry.repositories)
    return convert(source, destination, quantization, progress, licence=entry.licence, origin=origin)


def _fetch(
    entry: ModelEntry, repository: Repository, quantization: Quantization, progress: Callable[[int], None]
) -> Path:
    """The folder with all files that the entry names of a repository, each as the hub has it."""
    with hub_errors(lambda reason: _by_hand(entry, quantization, reason)):
        paths = [fetch(repository.id, repository.revision, file, progress) for file in repository.files]
    return paths[0].parents[repository.files[0].path.count("/")]


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
