"""Which records of several files count: one a key and video, and answers before errors.

Files of shards, of a run that was broken off, or of the same videos twice hold more than that. All of them
are read once, and of each record some 50 bytes are kept.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dynfocus_cli.batch.record_lines import RecordLine, no_record, question_of, read_record_lines

if TYPE_CHECKING:
    from dynfocus_cli.report.json import Record

DIGEST_BYTES = 16

MAX_OPEN = 100
"""Files at a time: a process may have as few as 256, and there may be a thousand parts."""


class ValidRecords:
    """The records of files that count, in the order in which results first stand in the files.

    Of records with the same key and video the last one counts, in the order of the files and of their lines;
    an error only where there is no answer. An error also gives way to any answer to the same question about
    a video of that name, which was another file then, or was not there.

    Args:
        paths: a later one is the newer one. A record without a key, as `jsonl` prints it, stands for itself.

    Raises:
        UsageError: a file cannot be read, or holds anything else than records.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)
        self.warnings: list[str] = []
        self.schemas: list[str] = []
        """Those of the records, as they first come."""
        self.settings: list[str] = []
        """Likewise."""
        self.without_key: tuple[str, int] | None = None
        """File and line of the first record that has no key."""
        self._identities = bytearray()
        self._questions = bytearray()
        self._failed = bytearray()
        self._files, self._starts, self._lengths = array("L"), array("Q"), array("Q")
        self.read = 0
        """How many records there are, those that do not count among them."""
        for number, path in enumerate(self.paths):
            for place, line in enumerate(read_record_lines(path, self.warnings), 1):
                self._admit(number, place, line)
        self._order = self._choose()

    def __len__(self) -> int:
        return len(self._order)

    @property
    def failures(self) -> int:
        """How many of those that count are errors."""
        return int(np.frombuffer(self._failed, np.uint8)[self._order].sum()) if self.read else 0

    def lines(self) -> Iterator[bytes]:
        """Each record that counts as a line of JSON, without its line break."""
        with ExitStack() as stack:
            opened: dict[int, BinaryIO] = {}
            for place in self._order:
                number = self._files[place]
                if number not in opened:
                    if len(opened) == MAX_OPEN:
                        opened.clear()
                        stack.close()
                    opened[number] = stack.enter_context(open(self.paths[number], "rb"))
                file = opened[number]
                if file.tell() != self._starts[place]:
                    file.seek(self._starts[place])
                line = file.read(self._lengths[place] + 1)
                yield line.removesuffix(b"\n")

    def records(self) -> Iterator[Record]:
        """Each record that counts."""
        return (json.loads(line) for line in self.lines())

    def _admit(self, file: int, place: int, line: RecordLine) -> None:
        record = line.record
        key, settings, error = record.get("key"), record.get("settings"), record.get("error")
        if error is not None and not isinstance(error, dict):
            raise no_record(self.paths[file], place)
        if record["schema"] not in self.schemas:
            self.schemas.append(record["schema"])
        if isinstance(key, str) and isinstance(settings, str):
            if settings not in self.settings:
                self.settings.append(settings)
            self._identities += _digest(key, record["video"])
            question = *question_of(record), record.get("arm"), settings
            self._questions += _digest(record["video"], *question)
        else:
            self.without_key = self.without_key or (self.paths[file], place)
            alone = _digest(file, line.start)
            self._identities += alone
            self._questions += alone
        self._failed.append(error is not None)
        self._files.append(file)
        self._starts.append(line.start)
        self._lengths.append(line.length)
        self.read += 1

    def _choose(self) -> np.ndarray:
        """The places of the records that count."""
        if not self.read:
            return np.array([], np.int64)
        failed = np.frombuffer(self._failed, np.uint8).astype(bool)
        high, low = np.frombuffer(self._identities, np.uint64).reshape(-1, 2).T
        order = np.lexsort((np.arange(self.read), ~failed, high, low))  # of equal ones the last counts
        is_last = np.ones(self.read, bool)
        is_last[:-1] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
        group = np.concatenate(([0], np.cumsum(is_last)[:-1]))
        first = np.full(int(group[-1]) + 1, self.read, np.int64)
        np.minimum.at(first, group, order)  # a result stands where its first try stood
        chosen = order[is_last]
        kept = ~np.isin(chosen, self._superseded(chosen, failed))
        return chosen[kept][np.argsort(first[kept])]

    def _superseded(self, chosen: np.ndarray, failed: np.ndarray) -> list[int]:
        """The errors among the chosen records to whose question there is an answer, or a later error."""
        questions = np.frombuffer(self._questions, f"V{DIGEST_BYTES}")
        superseded: list[int] = []
        errors: dict[bytes, int] = {}
        for place in np.sort(chosen[failed[chosen]]).tolist():
            question = questions[place].tobytes()
            if question in errors:
                superseded.append(errors[question])
            errors[question] = place
        if errors:
            answers = chosen[~failed[chosen]]
            answered = {questions[place].tobytes() for place in answers} & errors.keys()
            superseded += [errors[question] for question in answered]
        return superseded


def _digest(*words: object) -> bytes:
    text = json.dumps(words)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
