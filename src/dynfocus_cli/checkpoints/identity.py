"""Digests of a model folder's weights, and of the files beside them that decide an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from dynfocus_cli.checkpoints.public_folder import SIDE_FILES
from dynfocus_cli.checkpoints.record import Conversion, digest_by_name, reading
from dynfocus_cli.files import known_digest

DIGITS = 12
"""Hex digits of a short digest."""

_BESIDE = ("familiarity.safetensors", "domain.json", "question_tokenizer/*")
"""Of our own networks, beside the files that transformers knows."""


RETRIEVAL = "retrieval.safetensors"
"""Of our own networks, what finds moments."""


def revision(folder: Path) -> str:
    """The first 12 hex digits of a digest of the folder's weights: of a single file its own, of several one
    over theirs.

    Files are not read where conversion.json has their digests and they still have the sizes given there, nor
    where the hub's cache names them by their digests. Other digests are kept in the cache of features until
    the files change on disk.

    Raises:
        ModelUnavailable: a file cannot be read.
    """
    files = sorted(folder.glob("model*.safetensors"))
    record = Conversion.load(folder)
    with reading():
        if record is not None and {file.name: file.stat().st_size for file in files} == record.sizes:
            return _joined(record.shards[file.name] for file in files)
        return _joined(digest_by_name(file) or _remembered(file) for file in files)


def config_digest(folder: Path) -> str:
    """The first 12 hex digits of a digest of what else decides an answer: configs, tokenizers, measurements.

    Raises:
        ModelUnavailable: a file cannot be read.
    """
    files = [folder / name for name in SIDE_FILES]
    for pattern in _BESIDE:
        files += sorted(folder.glob(pattern))
    with reading():
        return _joined(
            f"{file.relative_to(folder)}:{known_digest(file)} " for file in files if file.is_file()
        )


def retrieval_digest(folder: Path) -> str:
    """The first 12 hex digits of a digest of the head that finds moments by captions; empty where the folder
    has none. It decides no answer, so that `config_digest` does without it.

    Raises:
        ModelUnavailable: the file cannot be read.
    """
    file = folder / RETRIEVAL
    with reading():
        return known_digest(file)[:DIGITS] if file.is_file() else ""


def _remembered(file: Path) -> str:
    from dynfocus_cli.features.cache import FeatureCache  # which imports torch

    cache = FeatureCache.default()
    return known_digest(file) if cache is None else cache.digest(file)


def _joined(digests: Iterable[str]) -> str:
    parts = list(digests)
    digest = parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()
    return digest[:DIGITS]
