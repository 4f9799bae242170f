"""The model folder that a training ends in: adapters merged, in 16 bits or 32, for `ask --model`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dynfocus_cli.checkpoints.identity import RETRIEVAL
from dynfocus_cli.checkpoints.shards import shard_files, write_index
from dynfocus_cli.device import SMALL_BYTES
from dynfocus_cli.features.domain import Domain
from dynfocus_cli.files import umask
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.skeleton import parameter_shapes
from dynfocus_cli.progress import Progress
from dynfocus_cli.training.parts import trained_parts
from dynfocus_cli.training.settings import Stage

ADAPTER = "default"
"""peft's name for an adapter that was given none."""


def export(model: LoadedModel, folder: Path, stage: Stage, progress: Progress) -> None:
    """Writes a trained network, its tokenizers and its preprocessing into `folder`; config.json comes last,
    since it is what makes a folder a model.

    A quantized base is written out in full, each layer as what it stood for in training plus its adapter: so
    the folder is the very function that was trained, and may be quantized anew.

    Raises:
        OSError: the disk is at fault.
    """
    spec = model.spec
    shapes = parameter_shapes(model.network.config)
    # A small network that computes in float32 keeps what it learned to the last digit.
    small = 4 * sum(map(prod, shapes.values())) <= SMALL_BYTES
    dtype = torch.float32 if spec.dtype is torch.float32 and small else torch.bfloat16
    progress.stage("convert", len(shapes))
    _write_weights(model.network, shapes, dtype, folder, progress)
    spec.prompt.tokenizer.save_pretrained(folder)
    question_tokenizer = spec.folder / "question_tokenizer"
    if question_tokenizer.is_dir():
        shutil.copytree(question_tokenizer, folder / question_tokenizer.name, dirs_exist_ok=True)
    spec.preprocessing.save(folder)
    if model.familiarity is not None:
        model.familiarity.save(folder)
    if model.domain != Domain():
        model.domain.save(folder)
    if (head := spec.folder / RETRIEVAL).is_file():  # it reads features that no training changes
        shutil.copyfile(head, folder / RETRIEVAL)
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(0o666 & ~umask())  # safetensors writes for the owner's eyes alone
    _write_config(model.network.config, folder, stage, dtype)


def _write_config(config: DynFocusConfig, folder: Path, stage: Stage, dtype: torch.dtype) -> None:
    trained = {part.replace(" ", "_") for part in trained_parts(stage)}
    replace(
        config,
        untrained=[part for part in config.untrained if part.replace(" ", "_") not in trained],
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
    """Shard by shard, so that memory holds one beside the network."""
    files = shard_files({name: prod(shape) * dtype.itemsize for name, shape in shapes.items()})
    modules = dict(network.named_modules())
    for file, names in files.items():
        tensors = {}
        for name in names:
            tensors[name] = _merged(modules, name).to("cpu", dtype).contiguous().clone()
            progress.advance(1)
        save_file(tensors, folder / file, metadata={"format": "pt"})
    if len(files) > 1:
        write_index(folder, [folder / file for file in files])


@torch.no_grad()
def _merged(modules: dict[str, nn.Module], name: str) -> Tensor:
    """A weight as it computes: out of its quantization, with its adapter added."""
    place, _, kind = name.rpartition(".")
    module: Any = modules[place]
    delta = None
    if hasattr(module, "base_layer"):
        if kind == "weight" and ADAPTER in module.lora_A:
            delta = module.get_delta_weight(ADAPTER)
        module = module.base_layer
    weight: Tensor = getattr(module, kind)
    state = getattr(weight, "quant_state", None)
    if state is not None:
        from bitsandbytes import functional

        weight = functional.dequantize_4bit(weight.data, state)
    return weight.detach() if delta is None else weight.detach().float() + delta.float().to(weight.device)
