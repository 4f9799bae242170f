"""The models that have a name, a folder each: `entry.toml` says what one is and where its files come from.

Beside it lie those parts of the published config.json and preprocessor_config.json that decide sizes, so that
a run of a model that is not here can be planned. Of public models, revisions are commits that public projects
pin, and were not fetched here; parameters are the hub's sizes, and layers were worked out from the language
models' published shapes.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.families import OWN_TYPE
from dynfocus_cli.checkpoints.footprint import Footprint
from dynfocus_cli.types import Quantization


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a public repository."""

    path: str
    """Inside the repository."""
    sha256: str | None = None
    """None: what the hub states for the revision holds."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where files of a model come from."""

    id: str
    """On the Hugging Face hub."""
    revision: str
    """A commit, so that the files are those that were looked at; or `main`, where none was."""
    files: tuple[RemoteFile, ...] = ()
    """All that is needed of it; a folder of these is what the conversion reads. Empty for a public model,
    of which `pull` takes the files that transformers reads, as the hub lists them."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that has a name."""

    name: str
    what: str
    licence: str
    needs: str
    """Of the machine."""
    bytes: int
    """On disk once installed."""
    download_bytes: int = 0
    """About, as the hub rounds it; 0 for one that comes with dynfocus."""
    quantization: Quantization = "none"
    """What `pull` stores it in where nothing else is asked for."""
    repositories: tuple[Repository, ...] = ()
    """The first is the model's own; the rest complete it. Empty for one that comes with dynfocus."""
    family: str | None = None
    """The `model_type` of a public model, a key of `FAMILIES` or `SELECTORS`; None for our own network."""
    footprint: Footprint | None = None
    """Of a public model that answers: what decides the memory that its weights take."""


def published_folder(name: str) -> Path:
    """Where the published configs of a model that has an entry lie."""
    return Path(__file__).parent / name


def _read_entry(name: str, fields: dict[str, Any]) -> ModelEntry:
    repositories = tuple(
        Repository(
            repository["id"],
            repository["revision"],
            tuple(RemoteFile(path, digest or None) for path, digest in repository.get("files", {}).items()),
        )
        for repository in fields.pop("repositories", ())
    )
    config = published_folder(name) / "config.json"
    family = json.loads(config.read_text(encoding="utf-8"))["model_type"] if repositories else OWN_TYPE
    if "parameters" in fields:
        footprint = Footprint(fields.pop("parameters"), fields.pop("layers"))
        fields |= {"footprint": footprint, "needs": footprint.needs()}
    if repositories:
        fields.setdefault("download_bytes", fields["bytes"])
    return ModelEntry(
        name, **fields, repositories=repositories, family=None if family == OWN_TYPE else family
    )


_FIELDS = {
    file.parent.name: tomllib.loads(file.read_text(encoding="utf-8"))
    for file in Path(__file__).parent.glob("*/entry.toml")
}
_RANKS: dict[str, dict[str, int]] = {name: fields.pop("rank") for name, fields in _FIELDS.items()}


def _ranked(by: str) -> tuple[str, ...]:
    """The names that have a rank of this kind, in its order."""
    return tuple(sorted((name for name in _RANKS if by in _RANKS[name]), key=lambda name: _RANKS[name][by]))


ENTRIES = {name: _read_entry(name, _FIELDS[name]) for name in _ranked("list")}
"""The models that have a name, by name, in the order in which they are listed."""

PREFERRED = {"cuda": _ranked("cuda"), "cpu": _ranked("cpu")}
"""Kind of device -> the models that answer there where none is named, best first.

An order by generation and size on GPUs, and on CPUs by how few tokens a frame takes; ours, and not measured
here.
"""
