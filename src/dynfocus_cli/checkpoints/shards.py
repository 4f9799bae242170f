"""The weights of a new model: which tensor goes into which file, and how a file is written."""

from __future__ import annotations

import json
import math
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
from dynfocus_cli.files import atomic_file, json_digest, umask
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
    """What a conversion writes, decided before it does."""

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
    small = 4 * sum(map(math.prod, shapes.values())) <= SMALL_BYTES
    dtype = torch.float32 if small and not _in_halves(source) else torch.bfloat16
    layers = quantized_layers(source.config) if quantization != "none" else frozenset()
    places = _places(source)
    sizes = {
        name: stored_bytes(shapes[name], quantization)
        if name in layers
        else math.prod(shapes[name]) * dtype.itemsize
        for name in sorted(shapes, key=lambda name: (places.get(name, -1), name))
    }
    total = sum(sizes.values())
    compute = torch.float32 if total <= RUNS_IN_FLOAT32 else torch.bfloat16
    return Plan(quantization, layers, dtype, compute, shapes, shard_files(sizes), total)


def shard_files(sizes: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """File -> the tensors in it, in the given order, of at most `SHARD_BYTES`; a larger tensor has its own.

    Args:
        sizes: tensor -> bytes.
    """
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    if len(shards) == 1:
        return {"model.safetensors": tuple(shards[0])}
    return {
        f"model-{number:05d}-of-{len(shards):05d}.safetensors": tuple(names)
        for number, names in enumerate(shards, 1)
    }


def write_shard(path: Path, names: tuple[str, ...], source: Source, plan: Plan, progress: Progress) -> None:
    """Makes the tensors of one shard, and writes it as an atomic file.

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
        temporary.chmod(0o666 & ~umask())


def write_index(folder: Path, files: Sequence[Path]) -> None:
    """Writes the index of several files: which holds which tensor."""
    weight_map: dict[str, str] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            weight_map |= dict.fromkeys(opened.keys(), file.name)
    index = {"metadata": {"total_size": sum(file.stat().st_size for file in files)}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _made(recipe: Recipe, source: Source) -> Tensor:
    """A tensor of ours, made of the source's, in its precision."""
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
    """The tensors that a new network starts with under `names`, by `FRESH_SEED`."""
    tensors = {
        name: torch.ones(shapes[name]) if name.endswith("weight") else torch.zeros(shapes[name])  # norms
        for name in names
        if not name.startswith(CONNECTOR)
    }
    if len(tensors) < len(names):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FRESH_SEED)
            connector = CooperativeConnector(config).state_dict()
        tensors |= {name: connector[name.removeprefix(CONNECTOR)] for name in names if name not in tensors}
    return tensors


def _in_halves(source: Source) -> bool:
    """Whether all that is used of the source is stored in bfloat16."""
    used = {key for recipe in source.key_map.recipes.values() for key in recipe.sources}
    return all(source.files.dtypes[key] is torch.bfloat16 for key in used)


def _places(source: Source) -> dict[str, int]:
    """Our name -> number of the source's file that it comes from."""
    numbers = {path: number for number, path in enumerate(source.files.paths)}
    return {
        name: numbers[source.files.path(recipe.sources[0])] for name, recipe in source.key_map.recipes.items()
    }


def _as_os_error(error: SafetensorError) -> Exception:
    """The system's error that safetensors has put in words, as `... (os error 28)` for a full disk."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else error
