"""Installs a public vision-language model from the Hugging Face hub.

Its weights stay in the hub's cache, so that other programs find them and no disk holds them twice. The
installed folder has links to them, copies of the small files, and a record of where each came from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from dynfocus_cli import __version__
from dynfocus_cli.checkpoints import hub_cache
from dynfocus_cli.checkpoints.download import HUB, fetch, hub_errors
from dynfocus_cli.checkpoints.entries import ModelEntry, RemoteFile
from dynfocus_cli.checkpoints.families import PUBLIC, SELECTORS
from dynfocus_cli.checkpoints.hub_cache import HubId
from dynfocus_cli.checkpoints.public_folder import (
    INDEX,
    SIDE_FILES,
    WEIGHTS,
    require_public,
    require_whole,
    weight_files,
)
from dynfocus_cli.checkpoints.record import Conversion, SourceFile, digest_by_name
from dynfocus_cli.checkpoints.registry import folder_name, models_folder
from dynfocus_cli.checkpoints.size import Megabytes, readable
from dynfocus_cli.checkpoints.sources.config_file import read_config
from dynfocus_cli.checkpoints.staging import clear, commit, staging
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.files import digest_of
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import Quantization

PATIENCE_S = 10.0
"""How long the hub may take to say what it has."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of a repository."""

    id: str
    commit: str
    sizes: dict[str, int]
    """File -> bytes."""
    digests: dict[str, str]
    """File -> SHA-256, of those that the hub knows it of."""
    licence: str


def pull_public(
    hub_id: HubId, entry: ModelEntry | None, quantization: Quantization | None, progress: Progress
) -> Path:
    """Fetches, checks and installs a public model; returns its folder.

    A second run goes on where the first was interrupted; what is in the hub's cache already is not fetched.

    Args:
        entry: of a model that has a name here.
        quantization: in which it runs on this machine from then on.

    Raises:
        UsageError: it is installed already, or cannot be quantized.
        ModelUnavailable: before weights are fetched: it is no model that dynfocus runs, has no safetensors,
            or the disk is too small; afterwards: it cannot be fetched, or a file is damaged.
    """
    name = entry.name if entry else hub_id.id
    destination = models_folder() / folder_name(name)
    if destination.exists():
        raise UsageError(f"{name} is installed in {destination}: remove that folder to pull it anew.")
    revision = hub_id.revision or (entry.repositories[0].revision if entry else "main")
    with hub_errors(lambda reason: _by_hand(name, hub_id.id, revision, destination, reason)):
        listing = _cached_files(HubId(hub_id.id, revision)) or _hub_files(hub_id.id, revision)
        snapshot = _fetch(name, listing, quantization, progress)
    require_whole(name, snapshot, "The hub's repository is at fault.")
    return _install(snapshot, listing, destination, entry, quantization or "")


def _cached_files(hub_id: HubId) -> _Listing | None:
    """The files of a commit that the cache has whole, so that the hub need not be asked."""
    folder = hub_cache.find_cached(hub_id)
    if folder is None or folder.name != hub_id.revision or not hub_cache.is_whole(folder):
        return None
    # A pull fetches the weights last, so with them the other files are there too.
    names = [*(name for name in SIDE_FILES if (folder / name).is_file()), *weight_files(folder)]
    if (folder / INDEX).is_file():
        names.append(INDEX)
    sizes = {name: (folder / name).stat().st_size for name in names}
    return _Listing(hub_id.id, folder.name, sizes, {}, licence="")


def _hub_files(repository: str, revision: str) -> _Listing:
    """The files that the hub has."""
    info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=PATIENCE_S)
    files = info.siblings or []
    card: Any = info.card_data or {}
    licence = str(card.get("license") or "")
    if licence == "other":
        licence = str(card.get("license_name") or licence)
    return _Listing(
        repository,
        info.sha or revision,
        {file.rfilename: file.size or 0 for file in files},
        {file.rfilename: file.lfs.sha256 for file in files if file.lfs is not None},
        licence,
    )


def _fetch(name: str, listing: _Listing, quantization: Quantization | None, progress: Progress) -> Path:
    """The folder in the cache with all files that transformers reads, the weights last."""
    if "config.json" not in listing.sizes:
        raise ModelUnavailable(f"{name} has no config.json, so it is no model for transformers.")
    config = _file(listing, "config.json", _uncounted)
    family = require_public(name, read_config(config.parent))
    if family in SELECTORS and quantization not in (None, "none"):
        raise UsageError(f"{name} finds frames, and runs as it is stored: leave `quantize` out.")
    if WEIGHTS not in listing.sizes:
        if INDEX not in listing.sizes:
            raise ModelUnavailable(
                f"{name} has no {WEIGHTS}: dynfocus reads safetensors alone, since other formats can run "
                "code."
            )
        _file(listing, INDEX, _uncounted)
    weights = weight_files(config.parent) if WEIGHTS not in listing.sizes else (WEIGHTS,)
    if missing := next((file for file in weights if file not in listing.sizes), None):
        raise ModelUnavailable(
            f"{name} is incomplete on the hub: its index names {missing}, which is not there."
        )
    files = [*(file for file in SIDE_FILES if file in listing.sizes), *weights]
    snapshot = config.parent
    needed = sum(listing.sizes[file] for file in files if not (snapshot / file).is_file())
    if needed > (free := shutil.disk_usage(snapshot).free):
        raise ModelUnavailable(
            f"{name} takes {readable(needed)} in the hub's cache, and its disk has {readable(free)}: make "
            "room, or name another place with HF_HOME."
        )
    megabytes = Megabytes(progress, "download", sum(listing.sizes[file] for file in files))
    for file in files:
        _file(listing, file, megabytes)
    return snapshot


def _uncounted(number: int) -> None:
    """No progress is reported of small files."""


def _file(listing: _Listing, name: str, progress: Callable[[int], None]) -> Path:
    return fetch(listing.id, listing.commit, RemoteFile(name, listing.digests.get(name)), progress)


def _install(
    snapshot: Path,
    listing: _Listing,
    destination: Path,
    entry: ModelEntry | None,
    run_as: str,
) -> Path:
    """The folder for `model`: copies of the small files, links to the weights, and the record."""
    weights = weight_files(snapshot)
    others = [name for name in (*SIDE_FILES, INDEX) if (snapshot / name).is_file()]
    files = {name: snapshot / name for name in (*others, *weights)}
    digests = {name: digest_by_name(file) or digest_of(file) for name, file in files.items()}
    sizes = {name: file.stat().st_size for name, file in files.items()}
    record = Conversion(
        layout=PUBLIC[require_public(destination.name, read_config(snapshot))],
        quantization="none",
        sources=tuple(SourceFile(name, sizes[name], digests[name]) for name in digests),
        dropped=(),
        fresh=(),
        licence=entry.licence if entry else listing.licence,
        origin=(f"{listing.id}@{listing.commit}",),
        made_by=f"dynfocus {__version__}",
        shards={name: digests[name] for name in weights},
        sizes={name: sizes[name] for name in weights},
        run_as=run_as,
    )
    with staging(destination) as partial:
        clear(partial)  # what a run that died has left
        for name in weights:
            os.symlink(snapshot.absolute() / name, partial / name)
        for name in others:
            if name != "config.json":
                shutil.copyfile(snapshot / name, partial / name)
        record.save(partial)
        # Last, since it is what makes a folder a model.
        shutil.copyfile(snapshot / "config.json", partial / "config.json")
        commit(partial, destination)
    return destination


def _by_hand(name: str, repository: str, revision: str, destination: Path, reason: str) -> str:
    """How to install a model without the hub's client."""
    patterns = " ".join(f"'*{suffix}'" for suffix in ("safetensors", "json", "jinja", "txt", "model"))
    lines = [
        f"{name} could not be fetched: {reason}. By hand, on another machine:",
        f"  hf download {repository} --revision {revision} --local-dir {destination.name} "
        f"--include {patterns}",
        f"or the same files from {HUB}/{repository}/tree/{revision}",
        f"and then bring that folder to {destination}",
    ]
    cached = hub_cache.find_cached(HubId(repository, None))
    if cached is not None and hub_cache.is_whole(cached):
        lines.append(f"Or take what is in the hub's cache already: `model={repository}@{cached.name[:12]}`")
    return "\n".join(lines)
