"""The records of `dynfocus models --json`: a list of models, one that is here, and one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dynfocus_cli.checkpoints.families import OWN, PUBLIC

if TYPE_CHECKING:
    from pathlib import Path

    from dynfocus_cli.checkpoints.describe import ModelDescription
    from dynfocus_cli.checkpoints.entries import ModelEntry
    from dynfocus_cli.checkpoints.registry import ListedModel

MODELS = "dynfocus.models/1"
MODEL = "dynfocus.model/1"
ENTRY = "dynfocus.model_entry/1"

Record = dict[str, Any]


def models_record(folder: Path, models: Iterable[ListedModel]) -> Record:
    """Every model that has a name, and the folder of those that are installed."""
    return {"schema": MODELS, "folder": str(folder), "models": [asdict(model) for model in models]}


def model_record(description: ModelDescription, verified_files: int | None) -> Record:
    """A model that is on this disk; `verified_files` of it were compared with their digests."""
    return {"schema": MODEL, **asdict(description), "verified_files": verified_files}


def entry_record(entry: ModelEntry) -> Record:
    """What is known of a model that is not here."""
    footprint = entry.footprint
    return {
        "schema": ENTRY,
        "name": entry.name,
        "what": entry.what,
        "family": PUBLIC[entry.family] if entry.family else OWN,
        "licence": entry.licence,
        "needs": entry.needs,
        "bytes": entry.bytes,
        "download_bytes": entry.download_bytes,
        "quantization": entry.quantization,
        "parameters": footprint.parameters if footprint else None,
        "memory_bytes": footprint.by_quantization() if footprint else None,
        "repositories": [asdict(repository) for repository in entry.repositories],
    }
