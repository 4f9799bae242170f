"""`conversion.json`: what a model folder was made of, with the digest of every file read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.footprint import QUANTIZATIONS
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.files import digest_of, write_json
from dynfocus_cli.types import Quantization

FILE_NAME = "conversion.json"

_MOST_BYTES = (1 << 63) - 1
"""Of a file, on any system."""

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a model was made of."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a model folder was made of, and the files that were written."""

    layout: str
    quantization: str
    sources: tuple[SourceFile, ...]
    dropped: tuple[str, ...]
    """Keys of the source that were left out on purpose."""
    fresh: tuple[str, ...]
    """Our tensors that the source has nothing for."""
    licence: str = ""
    """Of the result; empty where it is not known."""
    origin: tuple[str, ...] = ()
    """Public repositories and revisions that dynfocus fetched the files from."""
    made_by: str = ""
    """Version of dynfocus."""
    plan: str = ""
    """Digest of the plan by which tensors go into files; shards of another plan cannot be kept."""
    shards: dict[str, str] = field(default_factory=dict)
    """File written so far -> its SHA-256."""
    sizes: dict[str, int] = field(default_factory=dict)
    """File written so far -> bytes."""
    run_as: str = ""
    """The quantization that a public model runs in here where nothing else is asked for; empty: what fits."""

    def without_shards(self) -> Conversion:
        """The record before any shard was written."""
        return replace(self, shards={}, sizes={})

    def with_shard(self, file: Path) -> Conversion:
        """The record with one more file written."""
        shards = self.shards | {file.name: digest_of(file)}
        sizes = self.sizes | {file.name: file.stat().st_size}
        return replace(self, shards=dict(sorted(shards.items())), sizes=dict(sorted(sizes.items())))

    def holds(self, file: Path, progress: Callable[[int], object] | None = None) -> bool:
        """Whether `file` has the digest that was recorded; `progress` as for `digest_of`."""
        digest = self.shards.get(file.name)
        if digest is None or not file.is_file() or file.stat().st_size != self.sizes.get(file.name):
            return False
        return digest_of(file, progress) == digest

    def save(self, folder: Path) -> None:
        """Writes `conversion.json` into `folder`, so that a crash leaves the old one or the new one."""
        write_json(folder / FILE_NAME, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Conversion | None:
        """The record in `folder`; None where there is none that can be read."""
        try:
            fields: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            fields["sources"] = tuple(SourceFile(**one) for one in fields["sources"])
            for name in ("dropped", "fresh", "origin"):
                fields[name] = tuple(fields.get(name, ()))
            record = cls(**fields)
            return record if record._is_sound() else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def _is_sound(self) -> bool:
        """Whether the fields, which came from JSON, have the types that they are declared with."""
        texts = [self.layout, self.quantization, self.licence, self.made_by, self.plan, self.run_as]
        texts += [*self.dropped, *self.fresh, *self.origin, *self.shards.values()]
        sizes = list(self.sizes.values())
        for source in self.sources:
            texts += [source.name, source.sha256]
            sizes.append(source.bytes)
        are_texts = all(isinstance(text, str) for text in texts)
        are_sizes = all(type(size) is int and 0 <= size <= _MOST_BYTES for size in sizes)
        return are_texts and are_sizes and self.shards.keys() == self.sizes.keys()


def quantization_here(folder: Path) -> Quantization | None:
    """What a public model was pulled to run in on this machine; None: what fits."""
    record = Conversion.load(folder)
    return next((kind for kind in QUANTIZATIONS if record and kind == record.run_as), None)


def digest_by_name(file: Path) -> str:
    """The SHA-256 by which the hub's cache names a file; empty for any other file."""
    blob = file.resolve()
    return blob.name if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name) else ""


@contextmanager
def reading() -> Iterator[None]:
    """Raises ModelUnavailable, with the file's name, where the system does not let the block read one."""
    try:
        yield
    except OSError as error:
        raise ModelUnavailable(f"{error.filename or 'A file'} cannot be read: {error.strerror}.") from error


def bytes_of(folder: Path) -> int:
    """Bytes of all files in and below `folder`."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
