"""Where a model folder came from: `conversion.json`, with the digest of every file read and written."""

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

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was made of what."""

    layout: str
    quantization: str
    sources: tuple[SourceFile, ...]
    dropped: tuple[str, ...]
    """Keys of the source that were left out on purpose."""
    fresh: tuple[str, ...]
    """Our tensors that the source has nothing for."""
    licence: str = ""
    """Of the result; empty where nobody said."""
    origin: tuple[str, ...] = ()
    """Public repositories and revisions that the files were fetched from, if it was us who fetched them."""
    made_by: str = ""
    """Version of dynfocus."""
    plan: str = ""
    """Digest of which tensor goes into which file; shards by another plan are no use."""
    shards: dict[str, str] = field(default_factory=dict)
    """File written -> its SHA-256. Grows while the conversion is under way."""
    sizes: dict[str, int] = field(default_factory=dict)
    """File written -> bytes."""
    run_as: str = ""
    """The quantization that a public model runs in here where nothing else is asked for; empty: what fits."""

    def begun(self) -> Conversion:
        """The same as it was before anything was written."""
        return replace(self, shards={}, sizes={})

    def with_shard(self, file: Path) -> Conversion:
        """The same, with one more file written."""
        shards = self.shards | {file.name: digest_of(file)}
        sizes = self.sizes | {file.name: file.stat().st_size}
        return replace(self, shards=dict(sorted(shards.items())), sizes=dict(sorted(sizes.items())))

    def holds(self, file: Path, told: Callable[[int], object] | None = None) -> bool:
        """Whether `file` is one that was written, to the last bit; `told` as for `digest_of`."""
        known = self.shards.get(file.name)
        if known is None or not file.is_file() or file.stat().st_size != self.sizes.get(file.name):
            return False
        return digest_of(file, told) == known

    def save(self, folder: Path) -> None:
        """Writes `conversion.json` into `folder`, so that a crash leaves the old one or the new one."""
        write_json(folder / FILE_NAME, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Conversion | None:
        """What `folder` says of itself; None where it says nothing that can be read."""
        try:
            fields: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            fields["sources"] = tuple(SourceFile(**one) for one in fields["sources"])
            for name in ("dropped", "fresh", "origin"):
                fields[name] = tuple(fields.get(name, ()))
            found = cls(**fields)
            known = all(isinstance(found.shards[file], str) for file in found.sizes)
            return found if known and found.shards.keys() == found.sizes.keys() else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def quantization_here(folder: Path) -> Quantization | None:
    """What a public model was pulled to run in on this machine; None where nobody said."""
    made = Conversion.load(folder)
    if made is None:
        return None
    return next((kind for kind in QUANTIZATIONS if kind == made.run_as), None)


def digest_by_name(file: Path) -> str:
    """The SHA-256 that a file in the hub's cache is called by; empty for any other file."""
    kept = file.resolve()
    return kept.name if kept.parent.name == "blobs" and _SHA256.fullmatch(kept.name) else ""


@contextmanager
def reading() -> Iterator[None]:
    """Says which file of a model the system does not let the block read."""
    try:
        yield
    except OSError as error:
        raise ModelUnavailable(f"{error.filename or 'A file'} cannot be read: {error.strerror}.") from error


def bytes_of(folder: Path) -> int:
    """What the files in and below `folder` take."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
