"""Where a model is read from: a folder that is here, or the published configs of one still to be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dynfocus_cli.checkpoints.entries import ModelEntry, published_folder
from dynfocus_cli.checkpoints.estimated_tokenizer import not_here
from dynfocus_cli.checkpoints.folder import LARGE_BYTES, complaint, part, quantization_of, stored_bytes
from dynfocus_cli.checkpoints.identity import config_digest, revision
from dynfocus_cli.checkpoints.registry import available_entry, find_model
from dynfocus_cli.device import free_memory, give_back_early, require_room
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import ModelInfo, Quantization


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's name, its files, and the device that it is to run on."""

    name: str
    """As the user calls it."""
    folder: Path
    device: torch.device
    entry: ModelEntry | None = None
    """Of a model that is still to be fetched: the folder has its published configs alone."""

    @property
    def bytes(self) -> int:
        """What the weights take on disk."""
        return stored_bytes(self.folder) if self.entry is None else self.entry.bytes

    @property
    def caveat(self) -> str:
        """What a plan for it does not know; empty where the model is here."""
        return "" if self.entry is None else not_here(self.entry)

    def info(self, backend: str, kind: Quantization, selector: str = "") -> ModelInfo:
        """What is reported of it; `selector` is the revision of the model that finds the frames."""
        if self.entry is not None:
            return ModelInfo(self.name, backend, "", kind, self.device.type)
        digests = revision(self.folder), config_digest(self.folder)
        return ModelInfo(self.name, backend, digests[0], kind, self.device.type, digests[1], selector)

    def quantization(self, stored: dict[str, Any] | None, requested: Quantization | None) -> Quantization:
        """What runs: as requested, or else as it is stored. Raises UsageError where these contradict."""
        if self.entry is not None:
            return requested or self.entry.quantization
        return quantization_of(self.folder, stored, requested)

    def public_config(self) -> Any:
        """transformers' config of a public model. Nothing is fetched, and no code of the folder's is run."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)

    def public_tokenizer(self) -> Any:
        """transformers' tokenizer of a public model."""
        from transformers import AutoTokenizer

        # False, not left out: else transformers asks on the terminal whether to run a folder's own code.
        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)

    def require_weights(self) -> None:
        """Raises ModelUnavailable where a folder that is here has none."""
        if self.entry is None and not list(self.folder.glob("model*.safetensors")):
            raise ModelUnavailable(f"{self.folder} is incomplete: it has no weights (*.safetensors).")


def find_source(name_or_path: str, device: torch.device, *, may_be_away: bool) -> ModelSource:
    """The model of that name, in that folder, or of that id on the hub if it is in the hub's cache.

    Args:
        may_be_away: published configs do where a model that has an entry is still to be fetched.

    Raises:
        ModelUnavailable: it is not here.
    """
    entry = available_entry(name_or_path) if may_be_away else None
    if entry is not None:
        return ModelSource(entry.name, published_folder(entry.name), device, entry)
    return ModelSource(*find_model(name_or_path), device)


def make_room(name: str, weights: int, device: torch.device) -> None:
    """Prepares the memory for `weights` bytes. Raises OutOfMemory where fewer are free."""
    require_room(name, weights, free_memory(device))
    if device.type == "cpu" and weights > LARGE_BYTES:
        give_back_early()


def load_public_network(
    auto_model: Any,
    name: str,
    folder: Path,
    config: Any,
    device: torch.device,
    dtype: torch.dtype,
    weights: int,
    **options: Any,
) -> Any:
    """A public network with each of its weights read from `folder`.

    Args:
        auto_model: transformers' class for its kind.
        weights: bytes that they take in memory.
        options: for `from_pretrained`.

    Raises:
        ModelUnavailable: the weights are not those of the config.
        OutOfMemory: they are more than the memory that is free.
    """
    with part(folder, "weights"):
        make_room(name, weights, device)
        network, report = auto_model.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below, by name
            dtype=dtype,
            device_map={"": device},
            **options,
        )
        problem = complaint(folder, report, ("missing_keys", "mismatched_keys"))
        if problem is not None:
            raise ModelUnavailable(problem)
    return network.eval()
