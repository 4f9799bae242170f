"""What is kept of videos for searches: one vector a frame, so that a second search decodes nothing.

    <folder>/moments/lock                      held while an index is changed
    <folder>/moments/<key>/catalogue.sqlite    the videos
    <folder>/moments/<key>/vectors-*.f16       the vectors of all of them, one behind the other

A key stands for all that vectors depend on beside the video: the retriever, the sampling and the decoding. A
video is known by its content, so a moved file is not indexed again and a changed one is. Vectors are on disk
before the catalogue names them: whatever stands behind the last one that it names is of a process that was
killed, and is overwritten. The limit of the cache does not hold here; only `clear` removes an index.
"""

from __future__ import annotations

import json
import mmap
import re
import shutil
import sqlite3
import warnings
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynfocus_cli.files import flush, json_digest
from dynfocus_cli.moments.catalogue import Catalogue, Places, Row
from dynfocus_cli.types import VideoSource

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from dynfocus_cli.types import Span

FORMAT = 2
"""Of the files above. Another number makes other keys."""
BLOCK = 32 << 20
"""Bytes of vectors that are in memory at a time while all of them are compared."""

ROUNDING = 2.0**-9
"""A caption's vector and the products are rounded to float16, by 2^-11 of their size each: twice that."""

_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class VideoEntry:
    """What is kept of a video: all that a search needs of it, but to find borders to the frame."""

    source: VideoSource
    times_s: tuple[float, ...]
    """The sampled moments, strictly increasing, in seconds."""
    vectors: NDArray[np.float16]
    """(T, D)."""
    within: Span
    """Where the sampled part begins and ends, seconds."""
    warnings: tuple[str, ...] = ()
    """Of the sampling and decoding."""
    departures: tuple[str, ...] | None = None
    """How it differs from the videos of the retriever's training; None where that does not say."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.times_s) or not self.times_s:
            raise ValueError(
                f"one vector a moment is needed, got {self.vectors.shape = } and {len(self.times_s)} moments"
            )

    @property
    def has_remarks(self) -> bool:
        """Whether a search tells more of the video than what was found in the vectors: warnings, what is
        unlike the training, or what is said in a text track."""
        return bool(self.warnings or self.departures) or self.source.has_text_track is not False


@dataclass(frozen=True, slots=True)
class Peaks:
    """How well the best frame of each of many videos (V) fits a caption, roughly."""

    places: Places
    """The videos, in the order of the file."""
    products: NDArray[np.float32]
    """(V,): the highest inner product of a video's vectors with the caption's, all of them in float16."""
    errors: NDArray[np.float64]
    """(V,): no product of a video is farther off than this."""


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds."""

    key: str
    about: Mapping[str, str]
    """What it is of, by name: `model`, `sampling`."""
    videos: int
    frames: int
    size: int
    """Bytes on disk."""


class IndexUnwritable(Exception):
    """An index cannot be changed; the message says why, as a clause."""


class MomentIndex:
    """The index of a folder and key; there need not be anything yet."""

    def __init__(self, folder: Path, depends_on: Mapping[str, str], about: Mapping[str, str]) -> None:
        """
        Args:
            folder: of the cache.
            depends_on: all that vectors depend on beside the video.
            about: what people are told of it.
        """
        self.key = json_digest({"format": FORMAT, **depends_on}, sort_keys=True)
        self.folder = folder / "moments" / self.key
        self._about = about

    def get(self, digest: str, path: str) -> VideoEntry | None:
        """What is kept of the video with this content, which the user calls `path`; None if there is nothing,
        or it is damaged."""
        with suppress(sqlite3.Error, OSError), Catalogue.reading(self.folder) as catalogue:
            row = None if catalogue is None else catalogue.row(digest)
            if catalogue is not None and row is not None:
                return _entry(row, self._vectors(row, catalogue.about), path)
        return None

    def has(self, digest: str) -> bool:
        """Whether the video with this content is there."""
        with suppress(sqlite3.Error, OSError), Catalogue.reading(self.folder) as catalogue:
            return catalogue is not None and catalogue.row(digest) is not None
        return False

    def add(self, digest: str, entry: VideoEntry) -> None:
        """Keeps a video, unless another process has done so meanwhile.

        Raises:
            IndexUnwritable: it cannot be kept.
        """
        data = np.ascontiguousarray(entry.vectors, dtype=np.float16)
        if not np.isfinite(data).all():
            raise IndexUnwritable("the vectors of its frames are not all numbers")
        width = str(data.shape[1])
        with _changing(self.folder.parent):
            try:
                self._append(digest, entry, data, width)
            except (sqlite3.OperationalError, sqlite3.IntegrityError):
                raise
            except sqlite3.DatabaseError:  # it is damaged, and can only be made anew
                shutil.rmtree(self.folder)
                self._append(digest, entry, data, width)

    def peaks(self, vector: Tensor, digests: Container[str]) -> Peaks | None:
        """How well the best frames of those videos that are among `digests` fit a caption; None where there
        is none. At most `BLOCK` bytes of vectors are in memory at a time, or one video's.

        Nothing is checked against its checksum, which would take longer than the products.

        Shape:
            vector: (D,), the caption's.
        """
        import torch

        with suppress(sqlite3.Error, OSError):
            with Catalogue.reading(self.folder) as catalogue:
                places = None if catalogue is None else catalogue.places()
                if catalogue is None or places is None:
                    return None
                about = catalogue.about
            width, file = int(about["width"]), self.folder / about["vectors"]
            asked = np.fromiter((each in digests for each in places.digests), bool, len(places.digests))
            whole = places.firsts + places.frames <= file.stat().st_size // (2 * width)
            places = places.of(asked & whole)
            if not places.digests:
                return None
            query, ends = vector.to(torch.float16), places.firsts + places.frames
            highest = np.empty(len(places.digests), np.float32)
            matrix, forget = _mapped(file, width)
            for begin, end in _runs(places.firsts, ends, BLOCK // (2 * width)):
                first, last = int(places.firsts[begin]), int(ends[end - 1])
                products = torch.mv(matrix[first:last], query).float().numpy()
                forget(first, last)
                highest[begin:end] = np.maximum.reduceat(products, places.firsts[begin:end] - first)
            return Peaks(places, highest, ROUNDING * float(vector.norm()) * places.norms)
        return None

    def info(self) -> IndexInfo | None:
        """What it holds; None where there is nothing. Raises OSError where its folder cannot be read."""
        return _info(self.folder)

    def _append(self, digest: str, entry: VideoEntry, data: NDArray[np.float16], width: str) -> None:
        with Catalogue.changing(self.folder, {**self._about, "width": width}) as catalogue:
            about, row = catalogue.about, catalogue.row(digest)
            if about["width"] != width:
                raise ValueError(f"vectors of {about['width']} numbers are kept there, got {width}")
            if row is not None and _entry(row, self._vectors(row, about), "") is not None:
                return
            first, path = catalogue.end(), self.folder / about["vectors"]
            is_new = not path.exists()
            path.touch()  # videos stand before the new one also where their vectors are gone
            with open(path, "r+b") as file:
                file.seek(first * data.itemsize * data.shape[1])
                file.write(data.tobytes())
            flush(path)
            if is_new:
                flush(self.folder)
            norm = float(np.linalg.norm(data.astype(np.float32), axis=1).max())
            checksum = zlib.crc32(data.tobytes())
            row = Row(digest, first, len(data), checksum, norm, entry.has_remarks, _details(entry))
            catalogue.put(row)

    def _vectors(self, row: Row, about: Mapping[str, str]) -> NDArray[np.float16] | None:
        """A video's vectors; None where they are not what was written."""
        width = int(about["width"])
        with suppress(OSError, ValueError), open(self.folder / about["vectors"], "rb") as file:
            file.seek(2 * width * row.first)
            data = file.read(2 * width * row.frames)
            if zlib.crc32(data) == row.checksum:
                return np.frombuffer(bytearray(data), np.float16).reshape(row.frames, width)
        return None


def indexes(folder: Path) -> list[IndexInfo]:
    """All indexes in a cache's folder. Raises OSError where one cannot be read."""
    return [info for each in _folders(folder) if (info := _info(each)) is not None]


def clear(folder: Path) -> list[IndexInfo]:
    """Removes all indexes in a cache's folder, and says what they were.

    Raises:
        OSError: something cannot be read or removed.
        IndexUnwritable: another process keeps it.
    """
    removed = indexes(folder)
    if removed:
        with _changing(folder / "moments"):
            for each in _folders(folder):
                shutil.rmtree(each)
    return removed


def _folders(folder: Path) -> list[Path]:
    root = folder / "moments"
    if not root.is_dir():
        return []
    return sorted(each for each in root.iterdir() if _KEY.fullmatch(each.name) and each.is_dir())


def _info(folder: Path) -> IndexInfo | None:
    if not folder.is_dir():
        return None
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    with suppress(sqlite3.Error), Catalogue.reading(folder) as catalogue:
        if catalogue is not None:
            return IndexInfo(folder.name, catalogue.about, *catalogue.totals(), size)
    return IndexInfo(folder.name, {}, 0, 0, size)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """The block alone changes the indexes in `folder`, of all processes and threads.

    Raises:
        IndexUnwritable: they cannot be changed.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / "lock", timeout=60):
            yield
    except Timeout as error:
        raise IndexUnwritable("another process keeps it locked") from error
    except (OSError, NotImplementedError, sqlite3.Error) as error:
        raise IndexUnwritable(getattr(error, "strerror", None) or str(error)) from error


def _mapped(file: Path, width: int) -> tuple[Tensor, Callable[[int, int], None]]:
    """The vectors in a file, (T, D) float16, not to be written to; and what lets go of the memory that a
    range of them took, where the system takes advice. One mapping with advice costs less than many.

    Raises:
        OSError: it cannot be read.
    """
    import torch

    with open(file, "rb") as handle:
        mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_SEQUENTIAL"):
        mapped.madvise(mmap.MADV_SEQUENTIAL)  # so that it comes from the disk in large pieces
    count = len(mapped) // (2 * width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it has no read-only tensors
        matrix = torch.frombuffer(mapped, dtype=torch.float16, count=count * width).view(count, width)

    def forget(first: int, last: int) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            page = mmap.PAGESIZE
            begin, end = (2 * width * place // page * page for place in (first, last))
            if begin < end:
                mapped.madvise(mmap.MADV_DONTNEED, begin, end - begin)

    return matrix, forget


def _runs(firsts: NDArray[np.int64], ends: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Runs of videos whose vectors follow each other without a gap, of at most so many vectors or of one
    video: the place of each run's first video, and that behind its last one.

    0 to 3, 3 to 5, 9 to 13; most 8 -> videos 0 to 2, 2 to 3
    """
    gaps = np.flatnonzero(firsts[1:] != ends[:-1]) + 1
    for begin, stop in pairwise((0, *gaps.tolist(), len(firsts))):
        while begin < stop:
            room = np.searchsorted(ends[begin:stop], firsts[begin] + most, side="right")
            end = begin + max(1, int(room))
            yield begin, end
            begin = end


def _details(entry: VideoEntry) -> bytes:
    content = {
        "source": asdict(replace(entry.source, path="")),
        "times_s": entry.times_s,
        "within": entry.within,
        "warnings": entry.warnings,
        "departures": entry.departures,
    }
    return zlib.compress(json.dumps(content).encode(), 1)


def _entry(row: Row, vectors: NDArray[np.float16] | None, path: str) -> VideoEntry | None:
    """What was kept; None where it is damaged, or of a version that kept other things."""
    if vectors is None:
        return None
    try:
        content: dict[str, Any] = json.loads(zlib.decompress(row.details))
        source: dict[str, Any] = {**content["source"], "path": path}
        if set(source) != {field.name for field in fields(VideoSource)}:
            return None
        lists = {name: tuple(value) for name, value in source.items() if isinstance(value, list)}
        start_s, end_s = content["within"]
        departures = content["departures"]
        return VideoEntry(
            source=VideoSource(**{**source, **lists}),
            times_s=tuple(content["times_s"]),
            vectors=vectors,
            within=(start_s, end_s),
            warnings=tuple(content["warnings"]),
            departures=None if departures is None else tuple(departures),
        )
    except (zlib.error, ValueError, KeyError, TypeError):
        return None
