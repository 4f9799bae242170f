"""The models that have a name, and the folder of each."""

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
    wheel, checkout = map(_models_in, _BUNDLES)
    return checkout | wheel


def installed_models() -> dict[str, Path]:
    """The models in `models_folder()`, pulled or put there: name -> folder."""
    return _models_in(models_folder())


def folder_name(name: str) -> str:
    """What the folder of a model is called: `org/name` of the hub is `org--name`, as in the hub's cache."""
    return name.replace("/", "--")


def model_name(folder: Path) -> str:
    """What the model in an installed folder is called."""
    return folder.name.replace("--", "/", 1) if folder.parent == models_folder() else folder.name


def find_model(name_or_path: str) -> tuple[str, Path]:
    """The name and folder of a model.

    Args:
        name_or_path: a name of `models list`, a folder, or `org/name` or `org/name@revision` of a model that
            is in the hub's cache: the network is never used.

    Raises:
        ModelUnavailable: a name that is unknown or not here, a folder without a `config.json`, or a public
            model of which a file is missing.
    """
    name, local = name_or_path, installed_models() | bundled_models()
    if name not in local and name.replace("--", "/", 1) in local:
        name = name.replace("--", "/", 1)  # as its folder is called
    if name in local:
        return name, _whole_installed(name, local[name])
    # os.path, since pathlib raises for a name that is too long to be one.
    if name and os.path.isfile(os.path.join(name, "config.json")):
        folder = Path(name).absolute()  # parts of it are read later, wherever the process has gone by then
        return folder.resolve().name, _whole(folder.resolve().name, folder, "Copy it whole.")
    known = ", ".join(dict.fromkeys([*local, *ENTRIES]))
    if name and os.path.isdir(name):
        if not os.access(name, os.X_OK):
            raise ModelUnavailable(f"{name} cannot be opened: {os.strerror(errno.EACCES)}.")
        raise ModelUnavailable(f"{name} is a folder without config.json, so no model. Known models: {known}.")
    if name == DEFAULT_MODEL:
        raise ModelUnavailable(
            f"{DEFAULT_MODEL} did not come with this installation: install dynfocus again, or name another "
            "`model`."
        )
    if (hub_id := _hub_id(name)) is not None:
        return name, _hub_folder(name, hub_id, local)
    if name in ENTRIES:
        raise ModelUnavailable(f"{name} is not installed: {_how_to_fetch(name)}.")
    raise ModelUnavailable(
        f"No model {name!r}: it is neither a known name ({known}) nor a folder, and no org/name of the "
        "hub. Leave `model` out for the default."
    )


def _hub_id(name: str) -> HubId | None:
    """The hub's id of a public model, by its name here or there; None for any other name."""
    entry = ENTRIES.get(name)
    if entry is None:
        return HubId.parse(name)
    return None if entry.family is None else HubId(entry.repositories[0].id, None)


def _hub_folder(name: str, hub_id: HubId, local: dict[str, Path]) -> Path:
    """The folder of a public model: the installed one, else the one in the hub's cache."""
    entry = entry_of(hub_id.id)
    if entry is not None and hub_id.revision is None and entry.name in local:
        return _whole_installed(entry.name, local[entry.name])
    folder = _cached(hub_id, entry)
    if folder is None:
        if name in ENTRIES:
            raise ModelUnavailable(f"{name} is not installed: {_how_to_fetch(name)}.")
        raise ModelUnavailable(
            f"No model {name}: it is no folder, and not in the Hugging Face cache, "
            f"{hub_cache.cache_folder()}. If the hub has it, {_how_to_fetch(name)}."
        )
    require_supported(name, folder)
    return _whole(name, folder, f"{_how_to_fetch(name)}.")


def _cached(hub_id: HubId, entry: ModelEntry | None) -> Path | None:
    """A model's folder in the hub's cache; for a model with an entry the commit of that, if it is there."""
    if entry is not None and hub_id.revision is None:
        pinned = hub_cache.find_cached(HubId(hub_id.id, entry.repositories[0].revision))
        if pinned is not None and hub_cache.is_whole(pinned):
            return pinned
    return hub_cache.find_cached(hub_id)


def _whole(name: str, folder: Path, remedy: str) -> Path:
    """`folder`, if no file of a public model is missing there; of ours, loading says what is missing."""
    if family_of(folder) is not None:
        require_whole(name, folder, remedy)
    return folder


def _whole_installed(name: str, folder: Path) -> Path:
    return _whole(
        name,
        folder,
        "Its weights lie in the hub's cache, which may have been moved or emptied: remove "
        f"{models_folder() / folder_name(name)} and run `dynfocus models pull {name}`.",
    )


def _how_to_fetch(name: str) -> str:
    size = f" ({readable(ENTRIES[name].download_bytes)})" if name in ENTRIES else ""
    return f"`dynfocus models pull {name}` fetches it{size}"


def entry_of(repository: str) -> ModelEntry | None:
    """The entry of a public model, by its id on the hub."""
    public = (entry for entry in ENTRIES.values() if entry.family is not None)
    return next((entry for entry in public if entry.repositories[0].id == repository), None)


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
    """What `models pull` fetches by a name: a public model of the hub, with its entry if it has one; or a
    network of ours, by its entry alone.

    Raises:
        ModelUnavailable: no such model is known, and it is no `org/name`.
    """
    if name not in ENTRIES and (hub_id := HubId.parse(name)) is not None:
        return hub_id, entry_of(hub_id.id) if hub_id.revision is None else None
    return _hub_id(name), find_entry(name)


def available_entry(name: str) -> ModelEntry | None:
    """The entry of a model that can be pulled and is not here; None for any other."""
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
    record = None if entry or folder is None else Conversion.load(folder)
    family = entry.family if entry else None if folder is None else public_family_of(folder)
    if folder is None:
        assert entry is not None, "a name comes from an entry or from a folder"
        size, download = entry.bytes, entry.download_bytes
    else:
        size, download = bytes_of(folder), 0
    state: State = "bundled" if bundled else "installed" if installed else "cached" if cached else "available"
    return ListedModel(
        name=name,
        state=state,
        folder=None if folder is None else str(folder),
        what=entry.what if entry else what_of(family, record),
        family=PUBLIC[family] if family else OWN,
        licence=entry.licence if entry else record.licence or None if record else None,
        needs=entry.needs if entry else None,
        bytes=size,
        download_bytes=download,
    )


def what_of(family: str | None, record: Conversion | None) -> str:
    """A line about a model without an entry."""
    if family in SELECTORS:
        return f"a {SELECTORS[family]} model of the Hugging Face hub, for --selector-model"
    if family is not None:
        return f"a {PUBLIC[family]} model of the Hugging Face hub"
    return f"converted from {record.layout}" if record else "a model folder"


def _models_in(folder: Path) -> dict[str, Path]:
    """The finished model folders below `folder`, by name; `org--name` is called `org/name`."""
    try:
        folders = sorted(path.parent for path in folder.glob("*/config.json"))
    except OSError:
        return {}
    return {path.name.replace("--", "/", 1): path for path in folders if path.suffix != ".partial"}
