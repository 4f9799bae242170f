"""A public vision-language model, from the Hugging Face hub to a folder for `--model`.

Its weights stay where the hub's client puts them, in the hub's cache: other programs have them there too, and
no disk holds them twice. What is installed is a folder with copies of the small files, links to the weights,
and the record of where each came from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
from dynfocus_cli.checkpoints.staging import clear, finish, staging
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.files import digest_of
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import Quantization

PATIENCE_S = 10.0
"""How long the hub may take to say what it has."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a repository holds."""

    id: str
    commit: str
    sizes: dict[str, int]
    """File -> bytes."""
    digests: dict[str, str]
    """File -> SHA-256, of those that the hub knows it of."""
    licence: str


def pull_public(
    wanted: HubId, entry: ModelEntry | None, quantization: Quantization | None, progress: Progress
) -> Path:
    """Fetches, checks and installs a public model; returns its folder.

    A second run goes on where the first was interrupted; what is in the hub's cache already is not fetched.

    Args:
        entry: of a model that has a name here.
        quantization: what it is to run in on this machine where nothing else is asked for.

    Raises:
        UsageError: it is here already, or is to be quantized and cannot be.
        ModelUnavailable: it is no model that dynfocus runs, has no safetensors, or the disk is too small, all
            of it told before weights are fetched; or it cannot be fetched, or a file is damaged.
    """
    name = entry.name if entry else wanted.id
    destination = models_folder() / folder_name(name)
    if destination.exists():
        raise UsageError(f"{name} is installed in {destination}: remove that folder to pull it anew.")
    revision = wanted.revision or (entry.repositories[0].revision if entry else "main")
    with hub_errors(lambda reason: _by_hand(name, wanted.id, revision, destination, reason)):
        listing = _in_cache(HubId(wanted.id, revision)) or _listed(wanted.id, revision)
        snapshot = _fetch(name, listing, quantization, progress)
    require_whole(name, snapshot, "The hub's repository is at fault.")
    return _install(snapshot, listing, destination, entry, quantization or "")


def _in_cache(wanted: HubId) -> _Listing | None:
    """What is known of a commit that the cache has whole, so that the hub need not be asked."""
    folder = hub_cache.find_cached(wanted)
    if folder is None or folder.name != wanted.revision or not hub_cache.is_whole(folder):
        return None
    # A pull fetches the weights last, so with them the other files are there too.
    names = [*(name for name in SIDE_FILES if (folder / name).is_file()), *weight_files(folder)]
    if (folder / INDEX).is_file():
        names.append(INDEX)
    sizes = {name: (folder / name).stat().st_size for name in names}
    return _Listing(wanted.id, folder.name, sizes, {}, licence="")


def _listed(repository: str, revision: str) -> _Listing:
    """What the hub has."""
    found = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=PATIENCE_S)
    files = found.siblings or []
    card = found.card_data
    licence = "" if card is None else str(card.get("license") or "")
    if licence == "other" and card is not None:
        licence = str(card.get("license_name") or licence)
    return _Listing(
        repository,
        found.sha or revision,
        {file.rfilename: file.size or 0 for file in files},
        {file.rfilename: file.lfs.sha256 for file in files if file.lfs is not None},
        licence,
    )


def _fetch(name: str, listing: _Listing, quantization: Quantization | None, progress: Progress) -> Path:
    """The folder in the cache with all files that transformers reads, the weights last."""
    if "config.json" not in listing.sizes:
        raise ModelUnavailable(f"{name} has no config.json, so it is no model for transformers.")
    silent: Callable[[int], None] = lambda _: None  # noqa: E731
    config = _file(listing, "config.json", silent)
    family = require_public(name, read_config(config.parent))
    if family in SELECTORS and quantization not in (None, "none"):
        raise UsageError(f"{name} finds frames, and runs as it is stored: leave --quantize out.")
    if WEIGHTS not in listing.sizes:
        if INDEX not in listing.sizes:
            raise ModelUnavailable(
                f"{name} has no {WEIGHTS}: dynfocus reads safetensors alone, since other formats can run "
                "code."
            )
        _file(listing, INDEX, silent)
    weights = weight_files(config.parent) if WEIGHTS not in listing.sizes else (WEIGHTS,)
    if missing := next((file for file in weights if file not in listing.sizes), None):
        raise ModelUnavailable(
            f"{name} is incomplete on the hub: its index names {missing}, which is not there."
        )
    wanted = [*(file for file in SIDE_FILES if file in listing.sizes), *weights]
    _require_disk(name, listing, config.parent, wanted)
    told = Megabytes(progress, "download", sum(listing.sizes[file] for file in wanted))
    for file in wanted:
        _file(listing, file, told)
    return config.parent


def _file(listing: _Listing, name: str, told: Callable[[int], None]) -> Path:
    return fetch(listing.id, listing.commit, RemoteFile(name, listing.digests.get(name)), told)


def _require_disk(name: str, listing: _Listing, snapshot: Path, wanted: list[str]) -> None:
    """
    Raises:
        ModelUnavailable: the cache's disk is too small for what is still to be fetched.
    """
    needed = sum(listing.sizes[file] for file in wanted if not (snapshot / file).is_file())
    free = shutil.disk_usage(snapshot).free
    if needed > free:
        raise ModelUnavailable(
            f"{name} takes {readable(needed)} in the hub's cache, and its disk has {readable(free)}: make "
            "room, or name another place with HF_HOME."
        )


def _install(
    snapshot: Path,
    listing: _Listing,
    destination: Path,
    entry: ModelEntry | None,
    run_as: str,
) -> Path:
    """The folder for `--model`: copies of the small files, links to the weights, and the record."""
    weights = weight_files(snapshot)
    others = [name for name in (*SIDE_FILES, INDEX) if (snapshot / name).is_file()]
    digests = {
        name: digest_by_name(snapshot / name) or digest_of(snapshot / name) for name in (*others, *weights)
    }
    sizes = {name: (snapshot / name).stat().st_size for name in digests}
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
        finish(partial, destination)
    return destination


def _by_hand(name: str, repository: str, revision: str, destination: Path, reason: str) -> str:
    """How to install a model without the hub's client."""
    cached = hub_cache.find_cached(HubId(repository, None))
    there = []
    if cached is not None and hub_cache.is_whole(cached):
        there.append(f"Or take what is in the hub's cache already: --model {repository}@{cached.name[:12]}")
    patterns = " ".join(f"'*{suffix}'" for suffix in ("safetensors", "json", "jinja", "txt", "model"))
    return "\n".join(
        [
            f"{name} could not be fetched: {reason}. By hand, on another machine:",
            f"  hf download {repository} --revision {revision} --local-dir {destination.name} "
            f"--include {patterns}",
            f"or the same files from {HUB}/{repository}/tree/{revision}",
            f"and then bring that folder to {destination}",
            *there,
        ]
    )
