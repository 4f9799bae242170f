"""The model folder that a training ends in: adapters merged, in 16 bits or 32, for `ask --model`."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dynfocus_cli.checkpoints.shards import SHARD_BYTES, write_index
from dynfocus_cli.device import SMALL_BYTES
from dynfocus_cli.features.domain import Domain
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.skeleton import parameter_shapes
from dynfocus_cli.progress import Progress
from dynfocus_cli.training.parts import learning_parts
from dynfocus_cli.training.settings import Stage

ADAPTER = "default"
"""What peft calls an adapter that was given no name."""


def export(model: LoadedModel, folder: Path, stage: Stage, progress: Progress) -> None:
    """Writes a trained network, its tokenizers and its preprocessing into `folder`; config.json comes last,
    since it is what makes a folder a model.

    A quantized base is written out in full, each layer as what it stood for in training plus its adapter: so
    the folder is the very function that was trained, and may be quantized anew.

    Raises:
        OSError: the disk is at fault.
    """
    spec, network = model.spec, model.network
    config = network.config
    shapes = parameter_shapes(config)
    dtype = _dtype(model, shapes)
    progress.stage("convert", len(shapes))
    _write_weights(network, shapes, dtype, folder, progress)
    spec.prompt.tokenizer.save_pretrained(folder)
    questions = spec.folder / "question_tokenizer"
    if questions.is_dir():
        shutil.copytree(questions, folder / questions.name, dirs_exist_ok=True)
    spec.preprocessing.save(folder)
    if model.familiarity is not None:
        model.familiarity.save(folder)
    if model.domain != Domain():
        model.domain.save(folder)
    for written in folder.iterdir():
        if written.is_file():
            written.chmod(0o666 & ~_umask())  # safetensors writes for the owner's eyes alone
    _write_config(config, folder, stage, dtype)


def _write_config(config: DynFocusConfig, folder: Path, stage: Stage, dtype: torch.dtype) -> None:
    learned = {part.replace(" ", "_") for part in learning_parts(stage)}
    replace(
        config,
        untrained=[part for part in config.untrained if part.replace(" ", "_") not in learned],
        quantization_config=None,
        dtype=str(dtype).removeprefix("torch."),
    ).save_pretrained(folder)


def _write_weights(
    network: nn.Module,
    shapes: dict[str, tuple[int, ...]],
    dtype: torch.dtype,
    folder: Path,
    progress: Progress,
) -> None:
    """Tensor by tensor, so that memory holds a shard beside the network."""
    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        its = torch.Size(shape).numel() * dtype.itemsize
        if shards[-1] and size + its > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += its
    owners, files = dict(network.named_modules()), list[Path]()
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {}
        for name in names:
            tensors[name] = _whole(owners, name).to("cpu", dtype).contiguous().clone()
            progress.advance(1)
        path = folder / ("model.safetensors" if len(shards) == 1 else file)
        save_file(tensors, path, metadata={"format": "pt"})
        files.append(path)
    if len(files) > 1:
        write_index(folder, files)


@torch.no_grad()
def _whole(owners: dict[str, nn.Module], name: str) -> Tensor:
    """A weight as it computes: with its adapter, out of its quantization."""
    place, _, kind = name.rpartition(".")
    owner: Any = owners[place]
    delta = None
    if hasattr(owner, "base_layer"):
        if kind == "weight" and ADAPTER in owner.lora_A:
            delta = owner.get_delta_weight(ADAPTER)
        owner = owner.base_layer
    weight: Tensor = getattr(owner, kind)
    state = getattr(weight, "quant_state", None)
    if state is not None:
        from bitsandbytes import functional

        weight = functional.dequantize_4bit(weight.data, state)
    return weight.detach() if delta is None else weight.detach().float() + delta.float().to(weight.device)


def _dtype(model: LoadedModel, shapes: dict[str, tuple[int, ...]]) -> torch.dtype:
    """What runs in float32, and still will at that size, keeps what it learned to the last digit."""
    size = 4 * sum(torch.Size(shape).numel() for shape in shapes.values())
    whole = model.spec.dtype is torch.float32 and size <= SMALL_BYTES
    return torch.float32 if whole else torch.bfloat16


def _umask() -> int:
    """The process's own; it can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
