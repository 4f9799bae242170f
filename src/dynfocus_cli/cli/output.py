"""The one way to stdout: lines of text or of JSON, each flushed when it is complete."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Any, Literal

from dynfocus_cli.cli.interrupts import uninterrupted
from dynfocus_cli.errors import DynFocusError

Format = Literal["text", "json", "jsonl"]


def write_record(record: dict[str, Any]) -> None:
    """One line of JSON."""
    from dynfocus_cli.report.json import line_of

    _write(line_of(record))


def write_line(line: str) -> None:
    """One line of text in the terminal's encoding, control characters made visible on a terminal."""
    if sys.stdout is None:
        return
    if on_terminal():
        line = visible(line)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        # Gives a file name that is no valid text its own bytes back.
        _write((line + "\n").encode(encoding, "surrogateescape"))
    except UnicodeEncodeError:
        _write((line + "\n").encode(encoding, "backslashreplace"))


def write_piece(text: str) -> None:
    """Some text without a line break behind it, for a terminal."""
    if sys.stdout is not None:
        encoding = sys.stdout.encoding or "utf-8"
        _write(visible(text).encode(encoding, "backslashreplace"))


def on_terminal() -> bool:
    """Whether stdout is read by a person; there may be no stdout at all (`>&-`)."""
    return sys.stdout is not None and sys.stdout.isatty()


def wrapped(begin: str, text: str) -> list[str]:
    """`begin` and `text` as a line; on a terminal too narrow for it `text` goes on below itself, between two
    words, or near the left edge where there is little room."""
    if not on_terminal():
        return [begin + text]
    width = shutil.get_terminal_size().columns
    indent = " " * (len(begin) if len(begin) < width / 2 else min(len(begin), 6))
    return textwrap.wrap(
        begin + text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def visible(text: str) -> str:
    """`text` with control characters other than line breaks and tabs replaced, so that none moves a cursor.

    visible("a\\x1b[2Jb") == "a\\ufffd[2Jb"
    """
    return "".join(
        char if char in "\n\t" or not (char < " " or "\x7f" <= char < "\xa0") else "\ufffd" for char in text
    )


def one_line(text: str) -> str:
    """`text` with each run of white space, line breaks among them, as one space."""
    return " ".join(text.split())


def name_of(path: str) -> str:
    """A path as the beginning of a line: line breaks in it, which would end the line, as `\\n` and `\\r`."""
    return path.replace("\n", "\\n").replace("\r", "\\r")


def _write(data: bytes) -> None:
    """
    Raises:
        BrokenPipeError: the reader has gone.
        DynFocusError: stdout takes no more, as a full disk.
    """
    if sys.stdout is None:
        return
    try:
        with uninterrupted():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DynFocusError(
            f"Standard output cannot be written ({error.strerror}): free some space, or send it elsewhere."
        ) from error


class AnswerStream:
    """An answer that is written to the terminal while it is made."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> None:
        """Writes more of it."""
        self._text += text
        write_piece(text)

    def break_off(self) -> None:
        """Ends the line, if there is anything on it."""
        if self._text:
            write_line("")

    def finish(self, answer: str) -> None:
        """Ends the line; an answer that was begun anew stands on a line of its own."""
        if self._text.endswith(answer):
            write_line("")
        else:
            write_line(f"\n{answer}" if self._text else answer)
