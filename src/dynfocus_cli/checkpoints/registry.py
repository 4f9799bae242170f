"""Names of models, what is known of each, and the folders they stand for."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dynfocus_cli.checkpoints import hub_cache
from dynfocus_cli.checkpoints.entries import ENTRIES, ModelEntry
from dynfocus_cli.checkpoints.families import OWN, PUBLIC, SELECTORS
from dynfocus_cli.checkpoints.hub_cache import HubId
from dynfocus_cli.checkpoints.public_folder import (
    family_of,
    public_family_of,
    require_supported,
    require_whole,
)
from dynfocus_cli.checkpoints.record import Conversion, bytes_of
from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import expand, user_folder

DEFAULT_MODEL = "dynfocus-tiny"

_PACKAGE = Path(__file__).resolve().parent.parent
# In a wheel the weights lie inside the package, in a checkout beside `src`.
_BUNDLES = (_PACKAGE / "weights", _PACKAGE.parent.parent / "weights")


State = Literal["bundled", "installed", "cached", "available"]
"""Came with dynfocus; in `models_folder()`; in the hub's cache alone; still to be fetched."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that is here, or can be."""

    name: str
    state: State
    folder: str | None
    """None for one that is not here."""
    what: str
    family: str
    """In words, such as `Qwen3-VL`."""
    licence: str | None
    """None where its folder does not say."""
    needs: str | None
    bytes: int
    """On disk; for one that is not here, once it will be."""
    download_bytes: int
    """Still to be fetched, about."""


def models_folder() -> Path:
    """Where `models pull` installs: DYNFOCUS_MODELS_DIR, or the user's data folder."""
    if chosen := os.environ.get("DYNFOCUS_MODELS_DIR"):
        return expand(chosen)
    return user_folder("data") / "models"


def bundled_models() -> dict[str, Path]:
    """The models that come with this installation: name -> folder."""
    found: dict[str, Path] = {}
    for bundle in _BUNDLES:
        found = _models_in(bundle) | found
    return found


def installed_models() -> dict[str, Path]:
    """The models in `models_folder()`, pulled or put there: name -> folder."""
    return _models_in(models_folder())


def folder_name(name: str) -> str:
    """What the folder of a model is called: `org/name` of the hub is `org--name`, as in the hub's cache."""
    return name.replace("/", "--")


def model_name(folder: Path) -> str:
    """What the model in an installed folder is called."""
    return folder.name.replace("--", "/", 1) if folder.parent == models_folder() else folder.name


def find_model(wanted: str) -> tuple[str, Path]:
    """The name and folder of a model.

    A name of `models list`, a folder, or a model of the hub, `org/name` or `org/name@revision`, which has to
    be in the hub's cache: the network is never asked.

    Raises:
        ModelUnavailable: a name that is unknown or not here, a folder without a `config.json`, or a public
            model of which a file is missing.
    """
    there = installed_models() | bundled_models()
    if wanted not in there and wanted.replace("--", "/", 1) in there:
        wanted = wanted.replace("--", "/", 1)  # as its folder is called
    if wanted in there:
        _require_whole_public(wanted, there[wanted], _again(wanted))
        return wanted, there[wanted]
    # os.path, since pathlib raises for a name that is too long to be one.
    if wanted and os.path.isfile(os.path.join(wanted, "config.json")):
        folder = Path(wanted)
        name = folder.resolve().name
        _require_whole_public(name, folder, "Copy it whole.")
        return name, folder
    known = ", ".join(dict.fromkeys([*there, *ENTRIES]))
    if wanted and os.path.isdir(wanted):
        if not os.access(wanted, os.X_OK):
            raise ModelUnavailable(f"{wanted} cannot be opened: {os.strerror(errno.EACCES)}.")
        raise ModelUnavailable(
            f"{wanted} is a folder without config.json, so no model. Known models: {known}."
        )
    if wanted == DEFAULT_MODEL:
        raise ModelUnavailable(
            f"{DEFAULT_MODEL} did not come with this installation: install dynfocus again, or name another "
            "--model."
        )
    if (hub_id := _hub_id(wanted)) is not None:
        return wanted, _on_the_hub(wanted, hub_id, there)
    if wanted in ENTRIES:
        raise ModelUnavailable(f"{wanted} is not installed: {_fetches(wanted)}.")
    raise ModelUnavailable(
        f"No model {wanted!r}: it is neither a known name ({known}) nor a folder, and no org/name of the "
        "hub. Leave --model out for the default."
    )


def _hub_id(wanted: str) -> HubId | None:
    """What a name stands for on the hub; None where that is no single repository of a public model."""
    entry = ENTRIES.get(wanted)
    if entry is None:
        return HubId.parse(wanted)
    return None if entry.family is None else HubId(entry.repositories[0].id, None)


def _on_the_hub(wanted: str, hub_id: HubId, there: dict[str, Path]) -> Path:
    """The folder of a model of the hub: of one that was pulled, else of the one in the hub's cache."""
    entry = entry_of(hub_id.id)
    if entry is not None and hub_id.revision is None and entry.name in there:
        _require_whole_public(entry.name, there[entry.name], _again(entry.name))
        return there[entry.name]
    folder = _cached(hub_id, entry)
    if folder is None:
        if wanted in ENTRIES:
            raise ModelUnavailable(f"{wanted} is not installed: {_fetches(wanted)}.")
        raise ModelUnavailable(
            f"No model {wanted}: it is no folder, and not in the Hugging Face cache, "
            f"{hub_cache.cache_folder()}. If the hub has it, {_fetches(wanted)}."
        )
    require_supported(wanted, folder)
    _require_whole_public(wanted, folder, f"{_fetches(wanted)}.")
    return folder


def _cached(hub_id: HubId, entry: ModelEntry | None) -> Path | None:
    """A model's folder in the hub's cache; for a model with an entry the commit of that, if it is there."""
    if entry is not None and hub_id.revision is None:
        pinned = hub_cache.find_cached(HubId(hub_id.id, entry.repositories[0].revision))
        if pinned is not None and hub_cache.is_whole(pinned):
            return pinned
    return hub_cache.find_cached(hub_id)


def _require_whole_public(name: str, folder: Path, todo: str) -> None:
    """Of a DynFocus network the loading tells what is missing."""
    if family_of(folder) is not None:
        require_whole(name, folder, todo)


def _again(name: str) -> str:
    """What to do where a model that was pulled is no longer whole."""
    folder = models_folder() / folder_name(name)
    return (
        "Its weights lie in the hub's cache, which may have been moved or emptied: remove "
        f"{folder} and run `dynfocus models pull {name}`."
    )


def _fetches(name: str) -> str:
    size = f" ({readable(ENTRIES[name].download_bytes)})" if name in ENTRIES else ""
    return f"`dynfocus models pull {name}` fetches it{size}"


def entry_of(repository: str) -> ModelEntry | None:
    """The entry of a public model, by its id on the hub."""
    for entry in ENTRIES.values():
        if entry.family is not None and entry.repositories[0].id == repository:
            return entry
    return None


def find_entry(name: str) -> ModelEntry:
    """What is known of a model that can be pulled.

    Raises:
        ModelUnavailable: no such model is known.
    """
    if name not in ENTRIES:
        raise ModelUnavailable(
            f"No model {name!r} is known: there are {', '.join(ENTRIES)}; or name one of the hub, org/name."
        )
    return ENTRIES[name]


def find_pullable(name: str) -> tuple[HubId | None, ModelEntry | None]:
    """What a name stands for that `models pull` is given: a public model of the hub, with its entry if it has
    one; or a network of ours, by its entry alone.

    Raises:
        ModelUnavailable: no such model is known, and it is no `org/name`.
    """
    if name not in ENTRIES and (hub_id := HubId.parse(name)) is not None:
        return hub_id, entry_of(hub_id.id) if hub_id.revision is None else None
    return _hub_id(name), find_entry(name)


def available_entry(name: str) -> ModelEntry | None:
    """What is known of a model that can be pulled and is not here; None for any other."""
    hub_id = _hub_id(name)
    entry = ENTRIES.get(name)
    if entry is None and hub_id is not None and hub_id.revision is None:
        entry = entry_of(hub_id.id)
    here = installed_models() | bundled_models()
    if entry is None or name in here or entry.name in here or os.path.isdir(name):
        return None
    return entry if hub_id is None or _cached(hub_id, entry) is None else None


def list_models() -> list[ListedModel]:
    """Every model that has a name here: those with an entry, those installed, those in the hub's cache."""
    bundled, installed = bundled_models(), installed_models()
    cached: dict[str, Path] = {}
    for repository, folder in hub_cache.cached_models().items():
        entry = entry_of(repository)
        cached[entry.name if entry else repository] = folder
    names = dict.fromkeys([*ENTRIES, *sorted(bundled.keys() | installed.keys()), *cached])
    return [_listed(name, bundled.get(name), installed.get(name), cached.get(name)) for name in names]


def _listed(name: str, bundled: Path | None, installed: Path | None, cached: Path | None) -> ListedModel:
    entry, folder = ENTRIES.get(name), bundled or installed or cached
    made = None if entry or folder is None else Conversion.load(folder)
    family = entry.family if entry else None if folder is None else public_family_of(folder)
    if folder is None:
        assert entry is not None, "a name comes from an entry or from a folder"
        size, fetched = entry.bytes, entry.download_bytes
    else:
        size, fetched = bytes_of(folder), 0
    state: State = "bundled" if bundled else "installed" if installed else "cached" if cached else "available"
    return ListedModel(
        name=name,
        state=state,
        folder=None if folder is None else str(folder),
        what=entry.what if entry else what_of(family, made),
        family=PUBLIC[family] if family else OWN,
        licence=entry.licence if entry else made.licence or None if made else None,
        needs=entry.needs if entry else None,
        bytes=size,
        download_bytes=fetched,
    )


def what_of(family: str | None, made: Conversion | None) -> str:
    """What a model is that has no entry."""
    if family in SELECTORS:
        return f"a {SELECTORS[family]} model of the Hugging Face hub, for --selector-model"
    if family is not None:
        return f"a {PUBLIC[family]} model of the Hugging Face hub"
    return f"converted from {made.layout}" if made else "a model folder"


def _models_in(folder: Path) -> dict[str, Path]:
    """The finished model folders below `folder`, by name; `org--name` is called `org/name`."""
    try:
        places = sorted(path.parent for path in folder.glob("*/config.json"))
    except OSError:
        return {}
    return {place.name.replace("--", "/", 1): place for place in places if place.suffix != ".partial"}
