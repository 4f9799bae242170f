"""What a model folder is, without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dynfocus_cli.checkpoints.entries import ENTRIES, ModelEntry
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
    run_as: Quantization | None = None
    """What a public model runs in here where nothing else is asked for; None: what fits."""
    parameters: int | None = None
    """Of a public model that is stored in full."""
    memory_bytes: Mapping[Quantization, int] | None = None
    """What a public model's weights take, by quantization; None for a DynFocus network."""
    prototypes: int | None = None
    """L; this and what follows up to the tokens is None for a public model."""
    key_ratio: float | None = None
    """K / L."""
    scorer: str | None = None
    """Which score ranks the events where a question is asked."""
    context: int | None = None
    """Tokens that the language model holds."""
    tokens_per_key_frame: int | None = None
    tokens_per_other_frame: int | None = None
    licence: str | None = None
    """None where the folder does not say."""
    needs: str | None = None
    """Of the machine, where that was looked at."""
    untrained: tuple[str, ...] = ()
    """Parts with random weights as yet."""
    origin: tuple[str, ...] = ()
    """Public repositories and revisions, where it was fetched from any."""
    sources: tuple[SourceFile, ...] = ()
    """The files that it was made of."""
    dropped: tuple[str, ...] = ()
    """Their keys that were left out."""


def describe(name: str, folder: Path) -> ModelDescription:
    """What the model in `folder` is.

    Raises:
        ModelUnavailable: it is none that dynfocus runs, or its config.json cannot be used.
    """
    family = public_family_of(folder)
    return _describe_own(name, folder) if family is None else _describe_public(name, folder, family)


def _describe_public(name: str, folder: Path, family: str) -> ModelDescription:
    record, repository = Conversion.load(folder), repository_of(folder)
    entry = ENTRIES.get(name) or (entry_of(repository.id) if repository else None)
    footprint = footprint_of(folder)
    memory: Mapping[Quantization, int] = weights_bytes(folder)
    if family in SELECTORS:  # which run as they are stored
        memory = {"none": memory["none"]}
    needs = entry.needs if entry else footprint.needs() if footprint and family in FAMILIES else None
    description = ModelDescription(
        name=name,
        folder=str(folder),
        what=entry.what if entry else what_of(family, record),
        family=PUBLIC[family],
        revision=revision(folder),
        bytes=bytes_of(folder),
        quantization=stored_quantization(folder),
        run_as=quantization_here(folder),
        parameters=footprint.parameters if footprint else None,
        memory_bytes=memory,
        needs=needs,
        origin=(str(repository),) if repository else (),
    )
    return _with_record(description, entry, record)


def _describe_own(name: str, folder: Path) -> ModelDescription:
    from dynfocus_cli.checkpoints.sources.config_file import sound
    from dynfocus_cli.checkpoints.sources.own import own_config
    from dynfocus_cli.quantization import kind_of

    config = own_config(folder)
    with sound(folder):
        quantization = kind_of(config.quantization_config)
    price = config.frame_price(2)  # in the release's layout a single frame has another price
    entry, record = ENTRIES.get(name), Conversion.load(folder)
    converted = f"converted from {record.layout}" if record else "a DynFocus model"
    description = ModelDescription(
        name=name,
        folder=str(folder),
        what=entry.what if entry else converted,
        family=OWN,
        revision=revision(folder),
        bytes=bytes_of(folder),
        quantization=quantization,
        prototypes=config.prototypes,
        key_ratio=config.key_ratio,
        scorer=config.scorer,
        context=config.text_config.max_position_embeddings,
        tokens_per_key_frame=price.key,
        tokens_per_other_frame=price.other,
        needs=entry.needs if entry else None,
        untrained=tuple(config.untrained),
        dropped=record.dropped if record else (),
    )
    return _with_record(description, entry, record)


def _with_record(
    description: ModelDescription, entry: ModelEntry | None, record: Conversion | None
) -> ModelDescription:
    """`description` with the licence of its entry or record, and the files and repositories of the record."""
    licence = entry.licence if entry else record.licence if record else None
    if record is not None:
        description = replace(description, origin=record.origin, sources=record.sources)
    return replace(description, licence=licence or None)


def verify(folder: Path, progress: Progress) -> int:
    """Compares the weights with the digests that the conversion or the pull recorded, or by which the hub's
    cache names its files; returns how many files there are.

    Raises:
        ModelUnavailable: a file is missing or not the one that was written, or no digests are there.
    """
    record = Conversion.load(folder)
    if record is None and repository_of(folder) is not None and public_family_of(folder) is not None:
        return _verify_cached(folder, progress)
    if record is None or not record.shards:
        raise ModelUnavailable(
            f"{folder} cannot be verified: it has no whole conversion.json with the digests of its weights."
        )
    from dynfocus_cli.checkpoints.sources.recipe import listed

    megabytes = Megabytes(progress, "digest", sum(record.sizes.values()))
    with reading():
        wrong = [file for file in record.shards if not record.holds(folder / file, megabytes)]
    wrong += [path.name for path in folder.glob("model*.safetensors") if path.name not in record.shards]
    if wrong:
        raise ModelUnavailable(
            f"{folder} is damaged: {listed(wrong)} is not as conversion.json has it. Convert the model anew."
        )
    return len(record.shards)


def _verify_cached(folder: Path, progress: Progress) -> int:
    files = [folder / name for name in weight_files(folder)]
    with reading():
        megabytes = Megabytes(progress, "digest", sum(file.stat().st_size for file in files))
        for file in files:
            if not (digest := digest_by_name(file)):
                raise ModelUnavailable(f"{file} cannot be verified: this cache keeps no digests.")
            if digest_of(file, megabytes) != digest:
                raise ModelUnavailable(f"{file} is damaged: it is not what the hub stated. Fetch it anew.")
    return len(files)
