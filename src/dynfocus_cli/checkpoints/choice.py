"""Which model answers where none is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dynfocus_cli.checkpoints.entries import ENTRIES, PREFERRED, ModelEntry
from dynfocus_cli.checkpoints.families import FAMILIES, OWN_TYPE
from dynfocus_cli.checkpoints.footprint import SMALL, with_head_room
from dynfocus_cli.checkpoints.public_folder import footprint_of, missing_file, model_type_of, weights_bytes
from dynfocus_cli.checkpoints.record import quantization_here
from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL, find_model, installed_models
from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import Fallback, ModelOffer, Quantization

DeviceKind = Literal["cpu", "cuda"]

TRIED: dict[DeviceKind, tuple[Quantization, ...]] = {"cuda": ("none", "nf4"), "cpu": ("none",)}
"""In what a model may run where nothing is asked for, the best first. int8 saves less than NF4 and is slower;
on a CPU what fits in 16 bits is small enough, and fewer bits cost time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An installed model, with what the choice depends on."""

    name: str
    folder: Path
    weights: Mapping[Quantization, int]
    """Bytes of its weights, by each quantization that it can run in."""
    parameters: int | None = None
    """None for one that is stored quantized."""
    run_as: Quantization | None = None
    """The quantization that it was pulled to run in."""
    public: bool = True
    """Whether it is a model of the hub, and no network of ours."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that answers."""

    name: str
    folder: Path
    quantization: Quantization | None
    """In which it runs; None: as it is stored."""
    fallback: Fallback | None = None
    """Where it is the shipped model: why."""

    @property
    def notice(self) -> str:
        """Why the shipped model answers, in a sentence for the user; empty where another does."""
        if self.fallback is None:
            return ""
        notice = f"{DEFAULT_MODEL} answers, which knows generated clips alone: {self.fallback.reason}."
        if offer := self.fallback.offer:
            notice += f" `{offer.command}` fetches one for any video, of {readable(offer.bytes)}."
        return notice


def default_model(device: DeviceKind, free: int) -> Choice:
    """The model that answers where none is named, on a device with `free` bytes of free memory.

    Only models in `models_folder()` are considered, and none that other programs left in the hub's cache.

    Raises:
        ModelUnavailable: none fits, and dynfocus-tiny did not come with this installation.
    """
    installed = list(_installed())
    if (choice := choose(installed, device, free)) is not None:
        return choice
    name, folder = find_model(DEFAULT_MODEL)
    return Choice(name, folder, None, explain_fallback(installed, device, free))


def choose(installed: Sequence[Candidate], device: DeviceKind, free: int) -> Choice | None:
    """The best installed model that fits, in the order of `PREFERRED`; None where none does.

    Public models without an entry come after all that have one, larger ones first; networks of ours without
    an entry answer only where they are named. On a CPU no model of more than `SMALL` parameters is taken: it
    would answer after minutes.
    """
    for candidate in _in_order(installed, device):
        kind = _fitting(candidate.weights, candidate.run_as, device, free)
        if kind is not None:
            return Choice(candidate.name, candidate.folder, kind if candidate.public else None)
    return None


def suggestion(device: DeviceKind, free: int) -> tuple[ModelEntry, Quantization] | None:
    """The best public model that fits, installed or not, and the quantization to run it in."""
    for name in PREFERRED[device]:
        entry = ENTRIES[name]
        if entry.footprint is not None:
            weights = {kind: entry.footprint.weights(kind) for kind in TRIED[device]}
            if (kind := _fitting(weights, None, device, free)) is not None:
                return entry, kind
    return None


def _in_order(installed: Sequence[Candidate], device: DeviceKind) -> Iterator[Candidate]:
    by_name = {candidate.name: candidate for candidate in installed}
    for name in PREFERRED[device]:
        if name in by_name:
            yield by_name[name]
    others = [one for one in installed if one.public and one.name not in ENTRIES]
    if device == "cpu":
        others = [one for one in others if one.parameters is not None and one.parameters <= SMALL]
    yield from sorted(others, key=lambda one: (-max(one.weights.values()), one.name))


def _fitting(
    weights: Mapping[Quantization, int], run_as: Quantization | None, device: DeviceKind, free: int
) -> Quantization | None:
    """The first quantization in which a model fits; only `run_as` is tried, where it is given."""
    # A model that is stored quantized runs in nothing else.
    tried = (run_as,) if run_as else TRIED[device] if len(weights) > 1 else tuple(weights)
    return next((kind for kind in tried if kind in weights and with_head_room(weights[kind]) <= free), None)


def explain_fallback(installed: Sequence[Candidate], device: DeviceKind, free: int) -> Fallback:
    """Why none of the installed models was chosen, and which one could be fetched."""
    place = "GPU" if device == "cuda" else "CPU"
    reason = "no model for any video is installed"
    public = [candidate for candidate in installed if candidate.public]
    if public:
        smallest = min(public, key=lambda one: min(one.weights.values()))
        least = min(smallest.weights.values())
        needed = with_head_room(smallest.weights.get(smallest.run_as, least) if smallest.run_as else least)
        if needed > free:
            lack = f"needs {readable(needed)} of free memory, and {readable(free)} are free"
        else:
            lack = f"is too large for a quick answer on a {place} (`model={smallest.name}` for a slow one)"
        reason = f"{smallest.name} is installed, but {lack}"
    if (suggested := suggestion(device, free)) is None:
        return Fallback(f"{reason}, and none that is known fits into {readable(free)}", None)
    entry, kind = suggested
    if entry.name in {candidate.name for candidate in public}:
        return Fallback(reason, None)
    return Fallback(reason, ModelOffer(entry.name, kind, entry.download_bytes))


def _installed() -> Iterator[Candidate]:
    """The models in `models_folder()`; one that is not whole is left out."""
    for name, folder in installed_models().items():
        try:
            if (kind := model_type_of(folder)) == OWN_TYPE:
                # As it is stored; what of it is quantized does not matter.
                size = sum(file.stat().st_size for file in folder.glob("model*.safetensors"))
                yield Candidate(name, folder, {"none": size}, public=False)
            elif kind in FAMILIES and missing_file(folder) is None:
                footprint = footprint_of(folder)
                yield Candidate(
                    name,
                    folder,
                    weights_bytes(folder),
                    footprint.parameters if footprint else None,
                    quantization_here(folder),
                )
        except (ModelUnavailable, OSError):
            continue
