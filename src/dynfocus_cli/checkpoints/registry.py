"""Names of models, what is known of each, and the folders they stand for."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dynfocus_cli.checkpoints.entries import ENTRIES, ModelEntry
from dynfocus_cli.checkpoints.record import Conversion, bytes_of
from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.errors import ModelUnavailable

DEFAULT_MODEL = "dynfocus-tiny"

_PACKAGE = Path(__file__).resolve().parent.parent
# In a wheel the weights lie inside the package, in a checkout beside `src`.
_BUNDLES = (_PACKAGE / "weights", _PACKAGE.parent.parent / "weights")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that is here, or can be."""

    name: str
    state: Literal["bundled", "installed", "available"]
    folder: str | None
    """None for one that is not here."""
    what: str
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
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("dynfocus")) / "models"


def bundled_models() -> dict[str, Path]:
    """The models that come with this installation: name -> folder."""
    found: dict[str, Path] = {}
    for bundle in _BUNDLES:
        found = _models_in(bundle) | found
    return found


def installed_models() -> dict[str, Path]:
    """The models in `models_folder()`, pulled or put there: name -> folder."""
    return _models_in(models_folder())


def find_model(name_or_path: str | None) -> tuple[str, Path]:
    """The name and folder of a model; None stands for the default one.

    Raises:
        ModelUnavailable: a name that is unknown or not installed, and no folder with a `config.json`.
    """
    wanted = DEFAULT_MODEL if name_or_path is None else name_or_path
    there = installed_models() | bundled_models()
    if wanted in there:
        return wanted, there[wanted]
    # os.path, since pathlib raises for a name that is too long to be one.
    if wanted and os.path.isfile(os.path.join(wanted, "config.json")):
        folder = Path(wanted)
        return folder.resolve().name, folder
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
    if wanted in ENTRIES:
        size = readable(ENTRIES[wanted].download_bytes)
        raise ModelUnavailable(
            f"{wanted} is not installed: `dynfocus models pull {wanted}` fetches it ({size})."
        )
    raise ModelUnavailable(
        f"No model {wanted!r}: it is neither a known name ({known}) nor a folder. "
        "Leave --model out for the default."
    )


def find_entry(name: str) -> ModelEntry:
    """What is known of a model that can be pulled.

    Raises:
        ModelUnavailable: no such model is known.
    """
    if name not in ENTRIES:
        raise ModelUnavailable(f"No model {name!r} is known: there are {', '.join(ENTRIES)}.")
    return ENTRIES[name]


def available_entry(name: str) -> ModelEntry | None:
    """What is known of a model that can be pulled and is not here; None for any other."""
    if name in installed_models() or name in bundled_models() or os.path.isdir(name):
        return None
    return ENTRIES.get(name)


def list_models() -> list[ListedModel]:
    """Every model that has a name here, those with an entry first."""
    bundled, installed = bundled_models(), installed_models()
    names = dict.fromkeys([*ENTRIES, *sorted(bundled.keys() | installed.keys())])
    return [_listed(name, bundled.get(name), installed.get(name)) for name in names]


def _listed(name: str, bundled: Path | None, installed: Path | None) -> ListedModel:
    entry, folder = ENTRIES.get(name), bundled or installed
    made = None if entry or folder is None else Conversion.load(folder)
    if folder is None:
        assert entry is not None, "a name comes from an entry or from a folder"
        size, fetched = entry.bytes, entry.download_bytes
    else:
        size, fetched = bytes_of(folder), 0
    return ListedModel(
        name=name,
        state="bundled" if bundled else "installed" if installed else "available",
        folder=None if folder is None else str(folder),
        what=entry.what if entry else f"converted from {made.layout}" if made else "a model folder",
        licence=entry.licence if entry else made.licence or None if made else None,
        needs=entry.needs if entry else None,
        bytes=size,
        download_bytes=fetched,
    )


def _models_in(folder: Path) -> dict[str, Path]:
    """The finished model folders below `folder`, by name."""
    try:
        configs = sorted(folder.glob("*/config.json"))
    except OSError:
        return {}
    return {config.parent.name: config.parent for config in configs if config.parent.suffix != ".partial"}
