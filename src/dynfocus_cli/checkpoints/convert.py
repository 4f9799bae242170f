"""From a source to a model folder, tensor by tensor: memory holds a shard, whatever the model's size.

The new folder is written beside its place, as `NAME.partial`, and takes its name when it is whole. Before
that it has no config.json, so nothing would load it. A conversion that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

from dynfocus_cli.checkpoints.card import write_card
from dynfocus_cli.checkpoints.quantization import Quantization, quantized, settings, stored_bytes
from dynfocus_cli.checkpoints.record import Conversion, SourceFile, digest_of
from dynfocus_cli.checkpoints.sources.question_tokenizer import load_question_tokenizer
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.model.connector import CooperativeConnector
from dynfocus_cli.model.skeleton import parameter_shapes, quantized_layers
from dynfocus_cli.progress import Progress

SHARD_BYTES = 512 << 20
"""Largest shard. One is held in memory while it is written, and safetensors copies it once."""
SMALL_BYTES = 256 << 20
"""A network up to this size in float32 keeps its precision; a larger one is stored in bfloat16."""
FRESH_SEED = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, decided before anything is."""

    dtype: torch.dtype
    """Of all that is not quantized."""
    shards: dict[str, tuple[str, ...]]
    """File -> our names of the tensors in it."""
    bytes: int


def convert(source: Source, destination: Path, quantization: Quantization, progress: Progress) -> Path:
    """Writes `source` as a model folder of ours.

    Raises:
        UsageError: `destination` exists.
        ModelUnavailable: the source is incomplete, damaged or of another model, or the disk is too small.
    """
    if destination.exists():
        raise UsageError(f"{destination} exists already: remove it, or name another place.")
    wanted = parameter_shapes(source.config)
    source.key_map.check(str(source.folder), source.files.shapes, wanted)
    plan = plan_shards(source, wanted, quantization)
    partial = destination.with_name(f"{destination.name}.partial")
    progress.stage("digest", len(source.files.paths))
    conversion = Conversion(
        layout=source.layout,
        quantization=quantization,
        sources=tuple(_digested(source, progress)),
        dropped=tuple(sorted(source.key_map.dropped)),
        fresh=tuple(sorted(source.key_map.fresh)),
    )
    try:
        _begin(partial, conversion)
        _check_room(partial, plan)
        progress.stage("convert", sum(map(len, plan.shards.values())))
        digests = {}
        for file, names in plan.shards.items():
            _write_shard(partial / file, names, source, wanted, plan, quantization, progress)
            digests[file] = digest_of(partial / file)
        _write_rest(partial, source, plan, quantization)
        sizes = {file: (partial / file).stat().st_size for file in digests}
        complete = conversion.with_shards(digests, sizes)
        complete.save(partial)
        write_card(partial, source, complete)
        # Last, since it is what makes a folder a model.
        _write_config(partial, source, plan, quantization)
        partial.rename(destination)
    except OSError as error:
        raise ModelUnavailable(
            f"{destination} could not be written: {error.strerror}. What is done is kept in {partial}: make "
            "room and run the same command again, or remove that folder."
        ) from error
    return destination


def plan_shards(source: Source, wanted: Mapping[str, tuple[int, ...]], quantization: Quantization) -> Plan:
    """Which tensor goes into which file, in the order in which the source holds them."""
    whole = {name: _count(shape) for name, shape in wanted.items()}
    dtype = torch.float32 if 4 * sum(whole.values()) <= SMALL_BYTES else torch.bfloat16
    layers = quantized_layers(source.config) if quantization != "none" else frozenset()
    order = sorted(wanted, key=lambda name: _origin(source, name))
    shards: list[list[str]] = [[]]
    sizes, size = 0, 0
    for name in order:
        full = whole[name] * dtype.itemsize
        its = stored_bytes(wanted[name], quantization) if name in layers else full
        if shards[-1] and size + its > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size, sizes = size + its, sizes + its
    if len(shards) == 1:
        return Plan(dtype, {"model.safetensors": tuple(shards[0])}, sizes)
    files = {
        f"model-{number:05d}-of-{len(shards):05d}.safetensors": tuple(names)
        for number, names in enumerate(shards, 1)
    }
    return Plan(dtype, files, sizes)


def _origin(source: Source, name: str) -> tuple[str, str]:
    recipe = source.key_map.recipes.get(name)
    if recipe is None or not recipe.sources:
        return "", name
    return str(source.files.path(recipe.sources[0])), name


def _begin(partial: Path, conversion: Conversion) -> None:
    """Makes the folder, or finds one that the same conversion left; another's is emptied."""
    if partial.is_dir() and Conversion.load(partial) == conversion:
        return
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    conversion.save(partial)


def _check_room(partial: Path, plan: Plan) -> None:
    there = sum(file.stat().st_size for file in partial.glob("*.safetensors"))
    free, needed = shutil.disk_usage(partial).free, plan.bytes - there
    if free < needed:
        raise ModelUnavailable(
            f"{partial.parent} has {free / 2**30:.1f} GiB free, and {needed / 2**30:.1f} GiB are needed: "
            "make room, or convert to another disk."
        )


def _write_shard(
    path: Path,
    names: tuple[str, ...],
    source: Source,
    wanted: Mapping[str, tuple[int, ...]],
    plan: Plan,
    quantization: Quantization,
    progress: Progress,
) -> None:
    """One file, under another name until it is whole."""
    if not path.is_file():
        layers = quantized_layers(source.config) if quantization != "none" else frozenset()
        tensors: dict[str, Tensor] = {}
        for name in names:
            tensor = _made(name, source, wanted)
            if not torch.isfinite(tensor).all():
                raise ModelUnavailable(f"{source.folder}: {name} holds values that are no numbers.")
            if name in layers:
                tensors |= quantized(name, tensor, quantization, plan.dtype)
            else:
                tensors[name] = tensor.to(plan.dtype, copy=True).contiguous()
            progress.advance(1)
        source.files.close()
        unfinished = path.with_suffix(".writing")
        save_file(tensors, unfinished, metadata={"format": "pt"})
        unfinished.replace(path)
    else:
        progress.advance(len(names))


def _made(name: str, source: Source, wanted: Mapping[str, tuple[int, ...]]) -> Tensor:
    recipe = source.key_map.recipes.get(name)
    if recipe is None:
        return _fresh(name, source, wanted[name])
    return recipe.make(*(source.files.read(key) for key in recipe.sources))


def _fresh(name: str, source: Source, shape: tuple[int, ...]) -> Tensor:
    """What a new network has there."""
    if name.startswith("connector."):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FRESH_SEED)
            return CooperativeConnector(source.config).state_dict()[name.removeprefix("connector.")]
    return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)


def _digested(source: Source, progress: Progress) -> Iterator[SourceFile]:
    for path in source.files.paths:
        yield SourceFile(path.name, path.stat().st_size, digest_of(path))
        progress.advance(1)


def _write_rest(partial: Path, source: Source, plan: Plan, quantization: Quantization) -> None:
    """Index, tokenizers, preprocessing, and what else belongs to the model."""
    if len(plan.shards) > 1:
        files = sorted(partial.glob("model-*.safetensors"))
        _write_json(partial / "model.safetensors.index.json", _index(files))
    _tokenizer(source.tokenizer).save_pretrained(partial)
    if source.question_tokenizer is not None:
        load_question_tokenizer(source.question_tokenizer).save_pretrained(partial / "question_tokenizer")
    source.preprocessing.save(partial)
    for file in source.extra:
        shutil.copy(file, partial)


def _index(files: list[Path]) -> dict[str, object]:
    from safetensors import safe_open

    weight_map: dict[str, str] = {}
    for file in files:
        with safe_open(file, framework="pt") as opened:
            weight_map |= dict.fromkeys(opened.keys(), file.name)
    total = sum(file.stat().st_size for file in files)
    return {"metadata": {"total_size": total}, "weight_map": weight_map}


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The language model's tokenizer; a sentencepiece `tokenizer.model` becomes a `tokenizer.json`."""
    try:
        if (folder / "tokenizer.json").is_file():
            found: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
                folder, local_files_only=True
            )
            return found
        if (folder / "tokenizer.model").is_file():
            # By class: the folder's config.json may name an architecture that transformers reads otherwise.
            return LlamaTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # damaged tokenizers raise nearly anything, even bare Exceptions
        raise ModelUnavailable(f"The tokenizer in {folder} cannot be used: {error}") from error
    raise ModelUnavailable(f"{folder} is incomplete: it has neither tokenizer.json nor tokenizer.model.")


def _write_config(partial: Path, source: Source, plan: Plan, quantization: Quantization) -> None:
    fields = source.config.to_dict()
    fields["architectures"] = ["DynFocusModel"]
    fields["dtype"] = str(plan.dtype).removeprefix("torch.")
    stored = settings(quantization, plan.dtype)
    if stored is not None:
        fields["quantization_config"] = stored
    _write_json(partial / "config.json", fields)


def _write_json(path: Path, content: object) -> None:
    unfinished = path.with_suffix(".writing")
    unfinished.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _count(shape: tuple[int, ...]) -> int:
    number = 1
    for size in shape:
        number *= size
    return number
