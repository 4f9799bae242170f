"""What a model folder is, without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.quantization import Quantization, kind_of
from dynfocus_cli.checkpoints.record import Conversion, SourceFile, bytes_of, reading, revision
from dynfocus_cli.checkpoints.size import Megabytes
from dynfocus_cli.checkpoints.sources.config_file import sound
from dynfocus_cli.checkpoints.sources.own import own_config
from dynfocus_cli.checkpoints.sources.recipe import listed
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that is on this disk."""

    name: str
    folder: str
    what: str
    revision: str
    bytes: int
    """Of everything in the folder."""
    quantization: Quantization
    prototypes: int
    """L."""
    key_ratio: float
    """K / L."""
    scorer: str
    """Which score ranks the events where a question is asked."""
    context: int
    """Tokens that the language model holds."""
    tokens_per_key_frame: int
    tokens_per_other_frame: int
    licence: str | None
    """None where the folder does not say."""
    needs: str | None
    """Of the machine, where that was looked at."""
    untrained: tuple[str, ...]
    """Parts with random weights as yet."""
    origin: tuple[str, ...]
    """Public repositories and revisions, where it was fetched from any."""
    sources: tuple[SourceFile, ...]
    """The files that it was converted from."""
    dropped: tuple[str, ...]
    """Their keys that were left out."""


def describe(name: str, folder: Path) -> ModelDescription:
    """What the model in `folder` is.

    Raises:
        ModelUnavailable: it is none of ours, or its config.json cannot be used.
    """
    config = own_config(folder)
    with sound(folder):
        stored = kind_of(getattr(config, "quantization_config", None))
    # Frames of a video that has others too: of a single one the release makes an exception.
    price = config.frame_price(2)
    entry, made = ENTRIES.get(name), Conversion.load(folder)
    licence = entry.licence if entry else made.licence if made else None
    return ModelDescription(
        name=name,
        folder=str(folder),
        what=entry.what if entry else f"converted from {made.layout}" if made else "a DynFocus model",
        revision=revision(folder),
        bytes=bytes_of(folder),
        quantization=stored,
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
    """Compares the weights with the digests that the conversion recorded; returns how many files were right.

    Raises:
        ModelUnavailable: a file is missing or not the one that was written, or no digests are there.
    """
    made = Conversion.load(folder)
    if made is None or not made.shards:
        raise ModelUnavailable(
            f"{folder} cannot be verified: it has no conversion.json with the digests of its weights."
        )
    told = Megabytes(progress, "digest", sum(made.sizes.values()))
    with reading():
        wrong = [file for file in made.shards if not made.holds(folder / file, told)]
    wrong += [path.name for path in folder.glob("model*.safetensors") if path.name not in made.shards]
    if wrong:
        raise ModelUnavailable(
            f"{folder} is damaged: {listed(wrong)} is not as conversion.json has it. Convert the model anew."
        )
    return len(made.shards)
