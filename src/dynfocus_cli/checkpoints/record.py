"""Where a model folder came from: `conversion.json`, with the digest of every file read and written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

FILE_NAME = "conversion.json"


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
    shards: dict[str, str] = field(default_factory=dict)
    """File written -> its SHA-256; empty while the conversion is under way."""
    sizes: dict[str, int] = field(default_factory=dict)
    """File written -> bytes."""

    def with_shards(self, digests: dict[str, str], sizes: dict[str, int]) -> Conversion:
        """The same, with what came of it."""
        return replace(self, shards=digests, sizes=sizes)

    def save(self, folder: Path) -> None:
        """Writes `conversion.json` into `folder`."""
        path = folder / FILE_NAME
        unfinished = path.with_suffix(".writing")
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)

    @classmethod
    def load(cls, folder: Path) -> Conversion | None:
        """What `folder` says of itself; None where it says nothing that can be read."""
        try:
            fields: dict[str, Any] = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            fields["sources"] = tuple(SourceFile(**one) for one in fields["sources"])
            return cls(**fields | {name: tuple(fields[name]) for name in ("dropped", "fresh")})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def revision(folder: Path) -> str:
    """The first 12 hex digits of a digest over the folder's weights.

    Where the conversion left the digests of the files, and these have still the sizes they had, the files are
    not read again: at full size that alone would take longer than many an answer.
    """
    files = sorted(folder.glob("model*.safetensors"))
    known = Conversion.load(folder)
    if known is not None and {file.name: file.stat().st_size for file in files} == known.sizes:
        together = "".join(known.shards[file.name] for file in files)
        return hashlib.sha256(together.encode()).hexdigest()[:12]
    digest = hashlib.sha256()
    for file in files:
        _feed(digest, file)
    return digest.hexdigest()[:12]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    _feed(digest, path)
    return digest.hexdigest()


def _feed(digest: Any, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
