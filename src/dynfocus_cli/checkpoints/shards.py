"""The weights of a new model: which tensor goes into which file, and how a file is written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dynfocus_cli.checkpoints.sources.recipe import Recipe
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.device import SMALL_BYTES as RUNS_IN_FLOAT32
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import atomic_file, json_digest
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import CooperativeConnector
from dynfocus_cli.network.skeleton import quantized_layers
from dynfocus_cli.progress import Progress
from dynfocus_cli.quantization import quantized, stored_bytes
from dynfocus_cli.types import Quantization

SHARD_BYTES = 512 << 20
"""Largest shard. One is held in memory while it is written, and safetensors copies it once."""
SMALL_BYTES = 256 << 20
"""A network up to this size in float32 keeps its source's precision; a larger one is stored in bfloat16."""
FRESH_SEED = 0
CONNECTOR = "connector."
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, decided before anything is."""

    quantization: Quantization
    layers: frozenset[str]
    """Our names of the weights that are quantized."""
    dtype: torch.dtype
    """Of all that is not quantized."""
    compute: torch.dtype
    """What quantized layers are computed in."""
    shapes: Mapping[str, tuple[int, ...]]
    """Our name -> shape."""
    shards: dict[str, tuple[str, ...]]
    """File -> our names of the tensors in it."""
    bytes: int

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides on the shards' content, the source aside."""
        whole = [self.quantization, str(self.dtype), str(self.compute), [*self.shards.items()]]
        return json_digest(whole)


def plan_shards(source: Source, shapes: Mapping[str, tuple[int, ...]], quantization: Quantization) -> Plan:
    """Which tensor goes into which file, in the order in which the source holds them."""
    count = {name: _product(shape) for name, shape in shapes.items()}
    small = 4 * sum(count.values()) <= SMALL_BYTES
    dtype = torch.float32 if small and not _in_halves(source) else torch.bfloat16
    layers = quantized_layers(source.config) if quantization != "none" else frozenset()
    shards: list[list[str]] = [[]]
    total, size = 0, 0
    places = _places(source)
    for name in sorted(shapes, key=lambda name: (places.get(name, -1), name)):
        full = count[name] * dtype.itemsize
        its = stored_bytes(shapes[name], quantization) if name in layers else full
        if shards[-1] and size + its > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size, total = size + its, total + its
    files = {
        f"model-{number:05d}-of-{len(shards):05d}.safetensors": tuple(names)
        for number, names in enumerate(shards, 1)
    }
    if len(shards) == 1:
        files = {"model.safetensors": tuple(shards[0])}
    compute = torch.float32 if total <= RUNS_IN_FLOAT32 else torch.bfloat16
    return Plan(quantization, layers, dtype, compute, shapes, files, total)


def write_shard(path: Path, names: tuple[str, ...], source: Source, plan: Plan, progress: Progress) -> None:
    """One file, under another name until all of it has reached the disk.

    Raises:
        ModelUnavailable: a tensor of the source is damaged, or of no kind that a network computes with.
        OSError: the disk is at fault.
    """
    tensors: dict[str, Tensor] = {}
    fresh = _fresh([name for name in names if name not in source.key_map.recipes], source.config, plan.shapes)
    for name in names:
        tensor = fresh[name] if name in fresh else _made(source.key_map.recipes[name], source)
        if name in plan.layers:
            tensors |= quantized(name, tensor, plan.quantization, plan.compute)
        else:
            tensors[name] = tensor.to(plan.dtype, copy=True).contiguous()
        progress.advance(1)
    source.files.close()
    with atomic_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": "pt"})
        except SafetensorError as error:
            raise _as_os_error(error) from error
        # safetensors keeps its files from everyone but their owner, whatever the umask says.
        temporary.chmod(0o666 & ~_umask())


def write_index(folder: Path, files: Sequence[Path]) -> None:
    """Says in `folder` which of several files holds which tensor."""
    weight_map: dict[str, str] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            weight_map |= dict.fromkeys(opened.keys(), file.name)
    index = {"metadata": {"total_size": sum(file.stat().st_size for file in files)}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _made(recipe: Recipe, source: Source) -> Tensor:
    """One of our tensors, in the source's precision."""
    parts = [source.files.read(key) for key in recipe.sources]
    for key, part in zip(recipe.sources, parts, strict=True):
        where = f"{source.files.path(key)}: {key}"
        if not part.is_floating_point():
            kind = str(part.dtype).removeprefix("torch.")
            raise ModelUnavailable(
                f"{where} is {kind}: floating-point weights are needed, not quantized ones."
            )
        if not torch.isfinite(part).all():
            raise ModelUnavailable(f"{where} holds values that are no finite numbers.")
    return recipe.make(*parts)


def _fresh(
    names: Sequence[str], config: DynFocusConfig, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """What a new network has under `names`, the same each time."""
    connector: dict[str, Tensor] = {}
    if any(name.startswith(CONNECTOR) for name in names):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FRESH_SEED)
            connector = CooperativeConnector(config).state_dict()
    found = {name: connector[name.removeprefix(CONNECTOR)] for name in names if name.startswith(CONNECTOR)}
    norms = (name for name in names if name not in found)
    for name in norms:
        found[name] = torch.ones(shapes[name]) if name.endswith("weight") else torch.zeros(shapes[name])
    return found


def _in_halves(source: Source) -> bool:
    """Whether no precision is lost in bfloat16, since the source has no other."""
    used = {key for recipe in source.key_map.recipes.values() for key in recipe.sources}
    return all(source.files.dtypes[key] is torch.bfloat16 for key in used)


def _places(source: Source) -> dict[str, int]:
    """Our name -> number of the file that it comes from; where the files lie makes no difference."""
    numbers = {path: number for number, path in enumerate(source.files.paths)}
    return {
        name: numbers[source.files.path(recipe.sources[0])] for name, recipe in source.key_map.recipes.items()
    }


def _as_os_error(error: SafetensorError) -> Exception:
    """safetensors tells of a full disk in words: `... (os error 28)`."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else error


def _umask() -> int:
    """The process's own; it can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _product(shape: tuple[int, ...]) -> int:
    number = 1
    for size in shape:
        number *= size
    return number
