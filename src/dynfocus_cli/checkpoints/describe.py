"""What a model folder is, without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.families import FAMILIES, OWN, PUBLIC, SELECTORS
from dynfocus_cli.checkpoints.hub_cache import repository_of
from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.checkpoints.public_folder import (
    footprint_of,
    public_family_of,
    stored_quantization,
    weight_files,
    weights_bytes,
)
from dynfocus_cli.checkpoints.record import (
    Conversion,
    SourceFile,
    bytes_of,
    digest_by_name,
    quantization_here,
    reading,
)
from dynfocus_cli.checkpoints.registry import entry_of, what_of
from dynfocus_cli.checkpoints.size import Megabytes
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import digest_of
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import Quantization


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that is on this disk."""

    name: str
    folder: str
    what: str
    family: str
    """In words: `DynFocus`, or such as `Qwen3-VL`."""
    revision: str
    bytes: int
    """Of everything in the folder."""
    quantization: Quantization
    """As it is stored."""
    run_as: Quantization | None
    """What a public model runs in here where nothing else is asked for; None: what fits."""
    parameters: int | None
    """Of a public model that is stored in full."""
    memory_bytes: Mapping[Quantization, int] | None
    """What a public model's weights take, by quantization; None for a DynFocus network."""
    prototypes: int | None
    """L; this and what follows up to the tokens is None for a public model."""
    key_ratio: float | None
    """K / L."""
    scorer: str | None
    """Which score ranks the events where a question is asked."""
    context: int | None
    """Tokens that the language model holds."""
    tokens_per_key_frame: int | None
    tokens_per_other_frame: int | None
    licence: str | None
    """None where the folder does not say."""
    needs: str | None
    """Of the machine, where that was looked at."""
    untrained: tuple[str, ...]
    """Parts with random weights as yet."""
    origin: tuple[str, ...]
    """Public repositories and revisions, where it was fetched from any."""
    sources: tuple[SourceFile, ...]
    """The files that it was made of."""
    dropped: tuple[str, ...]
    """Their keys that were left out."""


def describe(name: str, folder: Path) -> ModelDescription:
    """What the model in `folder` is.

    Raises:
        ModelUnavailable: it is none that dynfocus runs, or its config.json cannot be used.
    """
    family = public_family_of(folder)
    return _describe_own(name, folder) if family is None else _describe_public(name, folder, family)


def _describe_public(name: str, folder: Path, family: str) -> ModelDescription:
    made, repository = Conversion.load(folder), repository_of(folder)
    entry = ENTRIES.get(name) or (entry_of(repository.id) if repository else None)
    footprint = footprint_of(folder)
    memory: Mapping[Quantization, int] = weights_bytes(folder)
    if family in SELECTORS:  # which run as they are stored
        memory = {"none": memory["none"]}
    return ModelDescription(
        name=name,
        folder=str(folder),
        what=entry.what if entry else what_of(family, made),
        family=PUBLIC[family],
        revision=revision(folder),
        bytes=bytes_of(folder),
        quantization=stored_quantization(folder),
        run_as=quantization_here(folder),
        parameters=footprint.parameters if footprint else None,
        memory_bytes=memory,
        prototypes=None,
        key_ratio=None,
        scorer=None,
        context=None,
        tokens_per_key_frame=None,
        tokens_per_other_frame=None,
        licence=(entry.licence if entry else made.licence if made else None) or None,
        needs=entry.needs if entry else footprint.needs() if footprint and family in FAMILIES else None,
        untrained=(),
        origin=made.origin if made else (str(repository),) if repository else (),
        sources=made.sources if made else (),
        dropped=(),
    )


def _describe_own(name: str, folder: Path) -> ModelDescription:
    from dynfocus_cli.checkpoints.sources.config_file import sound
    from dynfocus_cli.checkpoints.sources.own import own_config
    from dynfocus_cli.quantization import kind_of

    config = own_config(folder)
    with sound(folder):
        stored = kind_of(config.quantization_config)
    # Frames of a video that has others too: of a single one the release makes an exception.
    price = config.frame_price(2)
    entry, made = ENTRIES.get(name), Conversion.load(folder)
    licence = entry.licence if entry else made.licence if made else None
    return ModelDescription(
        name=name,
        folder=str(folder),
        what=entry.what if entry else f"converted from {made.layout}" if made else "a DynFocus model",
        family=OWN,
        revision=revision(folder),
        bytes=bytes_of(folder),
        quantization=stored,
        run_as=None,
        parameters=None,
        memory_bytes=None,
        prototypes=config.prototypes,
        key_ratio=config.key_ratio,
        scorer=config.scorer,
        context=config.text_config.max_position_embeddings,
        tokens_per_key_frame=price.key,
        tokens_per_other_frame=price.other,
        licence=licence or None,
        needs=entry.needs if entry else None,
        untrained=tuple(config.untrained),
        origin=made.origin if made else (),
        sources=made.sources if made else (),
        dropped=made.dropped if made else (),
    )


def verify(folder: Path, progress: Progress) -> int:
    """Compares the weights with the digests that the conversion or the pull recorded, or that files in the
    hub's cache are called by; returns how many files were right.

    Raises:
        ModelUnavailable: a file is missing or not the one that was written, or no digests are there.
    """
    made = Conversion.load(folder)
    if made is None and repository_of(folder) is not None and public_family_of(folder) is not None:
        return _verify_cached(folder, progress)
    if made is None or not made.shards:
        raise ModelUnavailable(
            f"{folder} cannot be verified: it has no conversion.json with the digests of its weights."
        )
    from dynfocus_cli.checkpoints.sources.recipe import listed

    told = Megabytes(progress, "digest", sum(made.sizes.values()))
    with reading():
        wrong = [file for file in made.shards if not made.holds(folder / file, told)]
    wrong += [path.name for path in folder.glob("model*.safetensors") if path.name not in made.shards]
    if wrong:
        raise ModelUnavailable(
            f"{folder} is damaged: {listed(wrong)} is not as conversion.json has it. Convert the model anew."
        )
    return len(made.shards)


def _verify_cached(folder: Path, progress: Progress) -> int:
    files = [folder / name for name in weight_files(folder)]
    with reading():
        told = Megabytes(progress, "digest", sum(file.stat().st_size for file in files))
        for file in files:
            if not (stated := digest_by_name(file)):
                raise ModelUnavailable(f"{file} cannot be verified: this cache keeps no digests.")
            if digest_of(file, told) != stated:
                raise ModelUnavailable(f"{file} is damaged: it is not what the hub stated. Fetch it anew.")
    return len(files)
