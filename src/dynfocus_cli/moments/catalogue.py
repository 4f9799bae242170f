"""The catalogue of an index: which videos it has, and where their vectors stand in its file of vectors.

It is a SQLite database, so that a process which is killed leaves it as it was before or after a change. A
connection lasts for one question or one change: processes share a catalogue without knowing of each other.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE_NAME = "catalogue.sqlite"
WAIT_S = 60.0
"""How long a process waits for another one that changes the catalogue."""

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS videos (
  digest TEXT PRIMARY KEY,     -- SHA-256 of the file's content
  first INTEGER NOT NULL,      -- its first vector's place in the file, counted in vectors
  frames INTEGER NOT NULL,
  checksum INTEGER NOT NULL,   -- CRC-32 of its vectors
  norm REAL NOT NULL,          -- length of the longest of them
  remarks INTEGER NOT NULL,    -- whether a search tells more of it than what was found, as a warning
  details BLOB NOT NULL        -- all else that is kept of it, compressed JSON
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS places ON videos (first, frames, norm, remarks);
"""
_COLUMNS = "digest, first, frames, checksum, norm, remarks, details"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the vectors of videos (V) stand in the file, in its order. Columns: there may be very many."""

    digests: list[str]
    firsts: NDArray[np.int64]
    """The place of each video's first vector."""
    frames: NDArray[np.int64]
    """How many it has."""
    norms: NDArray[np.float64]
    """How long the longest of them is."""
    remarks: NDArray[np.bool_]
    """Whether a search tells more of the video than what was found: see `VideoEntry.has_remarks`."""

    def of(self, mask: NDArray[np.bool_]) -> Places:
        """Those of them for which `mask` (V) is true."""
        if mask.all():
            return self
        chosen = mask.nonzero()[0]
        digests = [self.digests[place] for place in chosen.tolist()]
        return Places(
            digests, self.firsts[chosen], self.frames[chosen], self.norms[chosen], self.remarks[chosen]
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A video in the catalogue."""

    digest: str
    first: int
    frames: int
    checksum: int
    norm: float
    remarks: bool
    details: bytes


class Catalogue:
    """An open catalogue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def about(self) -> dict[str, str]:
        """What the index is of; `vectors` is the name of its file of vectors, and `width` their width.

        Raises:
            sqlite3.DatabaseError: one of the two is missing, for it is damaged.
        """
        about = dict(self._connection.execute("SELECT name, value FROM about"))
        if about and not ("vectors" in about and str(about.get("width")).isdecimal()):
            raise sqlite3.DatabaseError("it does not say where its vectors are")
        return about

    def row(self, digest: str) -> Row | None:
        """The video with this content."""
        query = f"SELECT {_COLUMNS} FROM videos WHERE digest = ?"
        found = self._connection.execute(query, (digest,)).fetchone()
        return None if found is None else Row(*found)

    def places(self) -> Places | None:
        """Where each video's vectors are; None where there are no videos.

        An index of the database answers this and `end`, so that they read nothing of what else is kept. The
        columns come as a text each: a row for each of 60,000 videos would take longer than comparing them.
        """
        import numpy as np

        columns = "first", "frames", "norm", "remarks", "digest"
        texts = ", ".join(f"group_concat({column})" for column in columns)
        rows = f"SELECT {', '.join(columns)} FROM videos ORDER BY first"
        found: tuple[str | None, ...] = self._connection.execute(f"SELECT {texts} FROM ({rows})").fetchone()
        firsts, frames, norms, remarks, digests = (text or "" for text in found)
        if not digests:
            return None
        return Places(
            digests.split(","),
            np.fromstring(firsts, np.int64, sep=","),
            np.fromstring(frames, np.int64, sep=","),
            np.fromstring(norms, np.float64, sep=","),
            np.fromstring(remarks, np.int64, sep=",") != 0,
        )

    def totals(self) -> tuple[int, int]:
        """How many videos and vectors there are."""
        query = "SELECT count(*), coalesce(sum(frames), 0) FROM videos"
        videos, frames = self._connection.execute(query).fetchone()
        return videos, frames

    def end(self) -> int:
        """The place behind the last vector that belongs to a video."""
        query = "SELECT first + frames FROM videos ORDER BY first DESC LIMIT 1"  # no two places overlap
        found = self._connection.execute(query).fetchone()
        return 0 if found is None else int(found[0])

    def put(self, row: Row) -> None:
        """Adds a video, or takes the place of what was said of it."""
        columns, places = astuple(row), ",".join("?" * len(fields(row)))
        with self._connection:
            self._connection.execute(f"INSERT OR REPLACE INTO videos ({_COLUMNS}) VALUES ({places})", columns)

    @classmethod
    @contextmanager
    def reading(cls, folder: Path) -> Iterator[Catalogue | None]:
        """The catalogue in `folder` for the block; None where there is none, or it is damaged."""
        try:
            connection = _connected(folder / FILE_NAME)
        except sqlite3.Error:
            connection = None
        if connection is None:
            yield None
            return
        with closing(connection):
            yield cls(connection)

    @classmethod
    @contextmanager
    def changing(cls, folder: Path, about: Mapping[str, str]) -> Iterator[Catalogue]:
        """The same to be changed, made anew where there is none.

        Raises:
            OSError: it cannot be written.
            sqlite3.Error: likewise, or it is damaged.
        """
        path = folder / FILE_NAME
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=WAIT_S)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'videos'").fetchone()
            if known == (0,):
                connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
            if not Catalogue(connection).about:
                named = {**about, "vectors": f"vectors-{uuid.uuid4().hex}.f16"}
                with connection:
                    connection.executemany("INSERT INTO about VALUES (?, ?)", named.items())
            yield cls(connection)


def _connected(path: Path) -> sqlite3.Connection | None:
    """A connection to a catalogue that is whole; None where there is none.

    One that may be written is tried first: it puts right what a process left that was killed in a change.

    Raises:
        sqlite3.Error: it is damaged.
    """
    if not path.is_file():
        return None
    name = path.absolute().as_uri()
    modes = ("rw", "ro") if os.access(path, os.W_OK) else ("ro",)
    for mode in modes:
        connection = sqlite3.connect(f"{name}?mode={mode}", uri=True, timeout=WAIT_S)
        try:
            if connection.execute("SELECT count(*) FROM about").fetchone() != (0,):
                return connection
        except sqlite3.OperationalError:
            if mode == modes[-1]:
                connection.close()
                raise
        except sqlite3.Error:
            connection.close()
            raise
        connection.close()
    return None
