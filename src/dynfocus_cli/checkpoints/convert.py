"""Writes a model folder from a source, a shard at a time, so that memory holds no more, whatever its size.

A conversion that was interrupted goes on where it stopped: `conversion.json` in the staging folder records
each shard that was written, and a shard is kept only if it has the digest recorded there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import LlamaTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from dynfocus_cli import __version__
from dynfocus_cli.checkpoints.card import write_card
from dynfocus_cli.checkpoints.folder import part
from dynfocus_cli.checkpoints.record import FILE_NAME, Conversion, SourceFile, reading
from dynfocus_cli.checkpoints.shards import Plan, plan_shards, write_index, write_shard
from dynfocus_cli.checkpoints.size import Megabytes, readable
from dynfocus_cli.checkpoints.sources.config_file import sound
from dynfocus_cli.checkpoints.sources.question_tokenizer import load_question_tokenizer
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.checkpoints.staging import abandon, clear, commit, staging
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import digest_of, write_json
from dynfocus_cli.network.skeleton import parameter_shapes
from dynfocus_cli.progress import Progress
from dynfocus_cli.quantization import settings
from dynfocus_cli.types import Quantization

_DESCRIPTIONS = ("config.json", "tokenizer.json", "tokenizer.model", "vocab.txt")
"""What is read of a source beside its weights."""


def convert(
    source: Source,
    destination: Path,
    quantization: Quantization,
    progress: Progress,
    *,
    licence: str = "",
    origin: tuple[str, ...] = (),
) -> Path:
    """Writes `source` as a model folder of ours, and returns it.

    Args:
        licence, origin: of the source, for the model's record, where they are known; a folder that was
            converted before has its own.

    Raises:
        UsageError: `destination` exists.
        ModelUnavailable: the source is incomplete, damaged or of another model; or the disk is too small, or
            fails; or another process is writing `destination`.
    """
    if (before := Conversion.load(source.folder)) is not None:
        licence, origin = licence or before.licence, origin or before.origin
    with staging(destination) as partial:
        try:
            with sound(source.folder):
                shapes = parameter_shapes(source.config)
            source.key_map.check(str(source.folder), source.files.shapes, shapes)
            plan = plan_shards(source, shapes, quantization)
            tokenizer = _tokenizer(source)
            record = Conversion(
                layout=source.layout,
                quantization=quantization,
                sources=_source_files(source, progress),
                dropped=tuple(sorted(source.key_map.dropped)),
                fresh=tuple(sorted(source.key_map.fresh)),
                licence=licence,
                origin=origin,
                made_by=f"dynfocus {__version__}",
                plan=plan.digest,
            )
            record = _resumed(partial, record)
            _require_disk(partial, plan, record)
            progress.stage("convert", sum(map(len, plan.shards.values())))
            for file, names in plan.shards.items():
                if file in record.shards:
                    progress.advance(len(names))
                    continue
                write_shard(partial / file, names, source, plan, progress)
                record = record.with_shard(partial / file)
                record.save(partial)
            _write_rest(partial, source, plan, tokenizer)
            write_card(partial, destination.name, source, record)
            # Last, since it is what makes a folder a model.
            _write_config(partial, source, plan)
        except ModelUnavailable:  # for what the source holds: going on with it would fail again
            abandon(partial)
            raise
        commit(partial, destination)
    return destination


def _resumed(partial: Path, record: Conversion) -> Conversion:
    """`record` with the shards that an earlier run of the same conversion left; all else is removed."""
    earlier = Conversion.load(partial)
    if earlier is None or earlier.without_shards() != record:
        clear(partial)
        record.save(partial)
        return record
    for file in [file for file in earlier.shards if not earlier.holds(partial / file)]:
        del earlier.shards[file], earlier.sizes[file]
    clear(partial, keep={FILE_NAME, *earlier.shards})
    return earlier


def _require_disk(partial: Path, plan: Plan, record: Conversion) -> None:
    """Raises OSError where the disk has too little room for the shards that are still to be written."""
    free, needed = shutil.disk_usage(partial).free, plan.bytes - sum(record.sizes.values())
    if free < needed:
        raise OSError(f"{readable(needed)} are needed on its disk, and {readable(free)} are free")


def _source_files(source: Source, progress: Progress) -> tuple[SourceFile, ...]:
    """Every file that the new model depends on, with its digest."""
    folders = (source.folder, source.tokenizer, source.question_tokenizer)
    beside = [folder / name for folder in folders if folder is not None for name in _DESCRIPTIONS]
    paths = dict.fromkeys([*source.files.paths, *filter(Path.is_file, beside), *source.extra])
    with reading():
        sizes = {path: path.stat().st_size for path in paths}
        megabytes = Megabytes(progress, "digest", sum(sizes.values()))
        return tuple(SourceFile(path.name, size, digest_of(path, megabytes)) for path, size in sizes.items())


def _write_rest(partial: Path, source: Source, plan: Plan, tokenizer: PreTrainedTokenizerBase) -> None:
    """Index, tokenizers, preprocessing, and what else belongs to the model."""
    if len(plan.shards) > 1:
        write_index(partial, [partial / file for file in plan.shards])
    tokenizer.save_pretrained(partial)
    if source.question_tokenizer is not None:
        load_question_tokenizer(source.question_tokenizer).save_pretrained(partial / "question_tokenizer")
    source.preprocessing.save(partial)
    for file in source.extra:
        shutil.copyfile(file, partial / file.name)


def _tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The language model's tokenizer; a sentencepiece `tokenizer.model` becomes a `tokenizer.json`."""
    folder, most = source.tokenizer, source.config.text_config.vocab_size
    transformers_logging.set_verbosity_error()
    tokenizer: PreTrainedTokenizerBase
    with part(folder, "tokenizer"):
        # By class: the folder's config.json may name an architecture that transformers reads otherwise.
        if (folder / "tokenizer.json").is_file():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        elif (folder / "tokenizer.model").is_file():
            tokenizer = LlamaTokenizer.from_pretrained(folder, local_files_only=True)
        else:
            raise ModelUnavailable(
                f"{folder} is incomplete: it has neither tokenizer.json nor tokenizer.model."
            )
    if len(tokenizer) > most:
        raise ModelUnavailable(
            f"The tokenizer in {folder} has {len(tokenizer)} words, and the network knows {most}."
        )
    return tokenizer


def _write_config(partial: Path, source: Source, plan: Plan) -> None:
    fields = source.config.to_dict()
    fields["dtype"] = str(plan.dtype).removeprefix("torch.")
    stored = settings(plan.quantization, plan.compute)
    if stored is not None:
        fields["quantization_config"] = stored
    write_json(partial / "config.json", fields, sort_keys=True)
