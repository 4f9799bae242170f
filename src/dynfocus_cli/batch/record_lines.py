"""The lines of a file of results, as they are read: whole records, and what a crash left of the last one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import reason

if TYPE_CHECKING:
    from dynfocus_cli.report.json import Record

BEGINNING = b'{"schema": "dynfocus.'
"""How each record begins: nothing else at the end of a file is taken for a torn one."""


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record, and where it stands."""

    record: Record
    start: int
    length: int
    """Of its line, in bytes, without the line break."""


def read_record_lines(path: str, warnings: list[str]) -> Iterator[RecordLine]:
    """The records of a file, one after another; a torn line at its end is left out, with a warning.

    Raises:
        UsageError: the file cannot be read, or holds anything else than records.
    """
    try:
        with open(path, "rb") as file:
            if not file.seekable():
                raise UsageError(
                    f"The results {path} cannot be read: it is a pipe, and results are read more than once. "
                    "Save them to a file."
                )
            yield from _lines(path, file, warnings)
    except (OSError, ValueError) as error:
        raise UsageError(f"The results {path} cannot be read: {reason(error)}.") from error


def _lines(path: str, file: BinaryIO, warnings: list[str]) -> Iterator[RecordLine]:
    head = file.read(len(BEGINNING))
    if head != BEGINNING[: len(head)]:  # before a disk image is read as one line
        raise no_record(path, 1)
    file.seek(0)
    start = 0
    for number, line in enumerate(file, 1):
        text = line.rstrip(b"\n")
        record = record_in(text)
        if record is not None:
            yield RecordLine(record, start, len(text))
        elif line.endswith(b"\n") or not is_torn(line):
            raise no_record(path, number)
        else:
            warnings.append(f"{path} ends within a line, which was left out.")
        start += len(line)


def no_record(path: str, number: int) -> UsageError:
    """What is said of a line that is no record."""
    return UsageError(
        f"{path} holds something that is no result (line {number}): name files that `output` wrote."
    )


def record_in(line: bytes) -> Record | None:
    """The record that a line is, or None where it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("video"), str)
    return record if is_record and isinstance(record.get("schema"), str) else None


def question_of(record: Record) -> tuple[str | None, str | int | None]:
    """The text and the id of what a record answers, or failed to answer."""
    text = record.get("question", record.get("query"))  # of a search
    return text, record.get("question_id", record.get("id"))  # of a question file, or of a benchmark


def is_torn(line: bytes) -> bool:
    """Whether it is the beginning of a record; after a power cut there may be zero bytes in place of what was
    written."""
    line = line.rstrip(b"\0")
    return line[: len(BEGINNING)] == BEGINNING[: len(line)]
