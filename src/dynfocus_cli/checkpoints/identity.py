"""What tells one model folder from another: digests of its weights, and of the files beside them."""

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


def revision(folder: Path) -> str:
    """The first 12 hex digits of a digest of the folder's weights: of a single file its own, of several one
    over theirs.

    Gigabytes are read once. Where the conversion left the digests of the files, and these have still the
    sizes they had, they are not read at all, nor are those in the hub's cache, which are called by their
    digests; others are remembered as videos are, until they change on disk.

    Raises:
        ModelUnavailable: a file cannot be read.
    """
    files = sorted(folder.glob("model*.safetensors"))
    made = Conversion.load(folder)
    with reading():
        recorded = made is not None and {file.name: file.stat().st_size for file in files} == made.sizes
        return _together(
            made.shards[file.name] if made and recorded else digest_by_name(file) or _remembered(file)
            for file in files
        )


def config_digest(folder: Path) -> str:
    """The first 12 hex digits of a digest of what else decides an answer: configs, tokenizers, measurements.

    Raises:
        ModelUnavailable: a file cannot be read.
    """
    files = [folder / name for name in SIDE_FILES]
    for pattern in _BESIDE:
        files += sorted(folder.glob(pattern))
    with reading():
        return _together(
            f"{file.relative_to(folder)}:{known_digest(file)} " for file in files if file.is_file()
        )


def _remembered(file: Path) -> str:
    from dynfocus_cli.features.cache import FeatureCache  # which imports torch

    cache = FeatureCache.default()
    return known_digest(file) if cache is None else cache.digest(file)


def _together(digests: Iterable[str]) -> str:
    each = list(digests)
    whole = each[0] if len(each) == 1 else hashlib.sha256("".join(each).encode()).hexdigest()
    return whole[:DIGITS]
