"""What `dynfocus models` shows: all models that have a name, a model folder, or the entry of a model that is
not here; as records for `--json`, and as lines of a label and a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dynfocus_cli.checkpoints.families import OWN, PUBLIC
from dynfocus_cli.checkpoints.size import readable

if TYPE_CHECKING:
    from pathlib import Path

    from dynfocus_cli.checkpoints.describe import ModelDescription
    from dynfocus_cli.checkpoints.entries import ModelEntry
    from dynfocus_cli.checkpoints.registry import ListedModel
    from dynfocus_cli.types import Quantization

MODELS = "dynfocus.models/1"
MODEL = "dynfocus.model/1"
ENTRY = "dynfocus.model_entry/1"

Record = dict[str, Any]
Lines = list[tuple[str, str]]


def models_record(folder: Path, models: Iterable[ListedModel]) -> Record:
    """Every model that has a name, and the folder of those that are installed."""
    return {"schema": MODELS, "folder": str(folder), "models": [asdict(model) for model in models]}


def model_record(description: ModelDescription, verified_files: int | None) -> Record:
    """A model folder; `verified_files` of it were compared with their digests."""
    return {"schema": MODEL, **asdict(description), "verified_files": verified_files}


def entry_record(entry: ModelEntry) -> Record:
    """The entry of a model that is not here."""
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


def entry_lines(entry: ModelEntry) -> Lines:
    """The entry of a model that is not here."""
    size = f"{readable(entry.download_bytes)} to fetch, "
    size += "kept in the hub's cache" if entry.family else f"then {readable(entry.bytes)}"
    lines = [("name", entry.name), ("what", entry.what), ("size", size)]
    if entry.footprint:
        lines += _weights(entry.footprint.parameters, entry.footprint.by_quantization())
    else:
        lines.append(("quantization", entry.quantization))
    lines += [
        ("licence", entry.licence),
        ("needs", entry.needs),
        ("install", f"dynfocus models pull {entry.name}"),
    ]
    for repository in entry.repositories:
        lines.append(("from", f"{repository.id}, revision {repository.revision}"))
        lines += [
            ("source", f"{file.sha256 or 'as the hub states':64}  {file.path}") for file in repository.files
        ]
    return lines


def model_lines(model: ModelDescription) -> Lines:
    """A model folder."""
    from dynfocus_cli.checkpoints.sources.recipe import listed

    lines = [
        ("name", model.name),
        ("what", model.what),
        ("folder", model.folder),
        ("size", readable(model.bytes)),
        ("revision", model.revision),
        ("quantization", model.quantization + (f", runs in {model.run_as} here" if model.run_as else "")),
    ]
    if model.memory_bytes is None:
        tokens = f"{model.tokens_per_key_frame} a key frame, {model.tokens_per_other_frame} any other"
        lines += [
            ("events", f"L = {model.prototypes}, K/L = {model.key_ratio}, ranked by {model.scorer}"),
            ("tokens", f"{tokens}; context {model.context}"),
        ]
    else:
        lines += [("family", model.family), *_weights(model.parameters, model.memory_bytes)]
    lines.append(("licence", model.licence or "not stated: that of its sources"))
    if model.needs:
        lines.append(("needs", model.needs))
    if model.untrained:
        lines.append(("untrained", f"{', '.join(model.untrained)}: answers mean nothing yet"))
    lines += [("from", repository) for repository in model.origin]
    lines += [("source", f"{file.sha256}  {file.name}, {readable(file.bytes)}") for file in model.sources]
    if model.dropped:
        lines.append(("left out", listed(model.dropped)))
    return lines


def _weights(parameters: int | None, memory: Mapping[Quantization, int]) -> Lines:
    """A public model's parameters, and the memory that its weights take in each quantization."""
    sizes = [readable(size) + ("" if kind == "none" else f" in {kind}") for kind, size in memory.items()]
    lines = [("weights", f"{', '.join(sizes)} of memory")]
    return lines if parameters is None else [("parameters", f"{parameters / 1e9:.1f} billion"), *lines]
