"""The file of results that `output` writes and goes on with.

It has one record a line, each with its `key` (see `batch/result_key.py`) and its `settings` in words. Lines
are only ever appended, each by one write, so that a crash leaves at most the last one torn; that one is cut
off. A record that replaces an earlier one, such as the answer after a failure, stands at the end until the
file is next opened or closed: a new file, which replaces the old one atomically, then has it in the earlier
one's place.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING

from dynfocus_cli.batch.record_lines import BEGINNING, is_torn, question_of
from dynfocus_cli.batch.remote_videos import is_remote
from dynfocus_cli.batch.result_key import PATH, Content, key_of
from dynfocus_cli.errors import DynFocusError, OutOfDomain, UsageError
from dynfocus_cli.files import TEMPORARY, is_same_file, lock, reason
from dynfocus_cli.report.json import Record, line_of
from dynfocus_cli.report.spans import stem_of

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query

SYNC_S = 1.0
"""Between calls of fsync: a power cut costs the results of so many seconds, a crash of the program none."""

MODE = os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How the file is opened; a named pipe is not waited for. Windows lacks the one, and needs the other."""

QuestionKey = tuple[str, str | None, str | int | None, str]
"""Video, question, id and arm: they share one failure at most, and none beside an answer that came later."""


@dataclass(eq=False, slots=True)
class StoredResult:
    """A result in the file."""

    key: str
    video: str
    failed: int | None
    """The exit code of its failure; None for a result."""
    fresh: bool
    """Made by this run."""
    start: int
    length: int
    """Of its line, in bytes."""
    place: int
    """Which result it is among all, that of the one that it replaced."""
    is_guess: bool
    """Made where the model was not trained on such a video or question."""
    is_refusal: bool
    """A failure because no guess was made there."""
    replaced: bool = False

    def replace(self, old: StoredResult) -> None:
        """Takes the place of an older result."""
        old.replaced = True
        self.place = min(self.place, old.place)


class ResultFile:
    """Results in a file that this process alone writes to.

    Args:
        path: made where there is none.

    Raises:
        UsageError: it is no file, cannot be written to, or another process writes to it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.warnings: list[str] = []
        """What went otherwise than it should, and harms nothing."""
        self._results: list[StoredResult] = []
        self._by_key: dict[str, list[StoredResult]] = {}
        self._failures: dict[QuestionKey, StoredResult] = {}
        self._of_addresses: dict[QuestionKey, StoredResult] = {}
        """Results of videos in object stores."""
        self._settings = ""
        self._size = 0
        """Bytes, up to the end of the last whole line."""
        self._synced = -SYNC_S
        """When fsync was last called; the first result goes to the disk at once."""
        self._made = False
        self.stays_empty = False
        """Whether the file is kept though nothing was written, as the part of a run that has no videos."""
        self._lock = RLock()
        """The next video is looked up by another thread than the one that adds results."""
        self._file = self._open()

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resume(self, settings: str) -> None:
        """Reads what earlier runs wrote, and cuts off a line that was not finished.

        Raises:
            UsageError: it holds anything else, or results of other settings; it is left as it is.
        """
        self._settings = settings
        with open(os.dup(self._file), "rb") as file:
            file.seek(0)
            head = file.read(len(BEGINNING))
            if head != BEGINNING[: len(head)]:  # before a disk image is read as one line
                raise self._no_result(1)
            file.seek(0)
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    self._admit_line(number, line)
                elif _is_record(line):  # only its line break is missing
                    self._admit_line(number, line + b"\n")
                elif not is_torn(line):
                    raise self._no_result(number)
        size = os.fstat(self._file).st_size
        if size > self._size:
            os.ftruncate(self._file, self._size)
            self._warn(f"{self.path} ended within a line, which was cut off and is done again.")
        elif size < self._size:
            self._write(b"\n")
        self._tidy()

    @property
    def count(self) -> int:
        """How many results there are."""
        return sum(not stored.replaced for stored in self._results)

    @property
    def failures(self) -> int:
        """How many of the results are failures."""
        return sum(stored.failed is not None and not stored.replaced for stored in self._results)

    def find(self, video: str, content: Content, query: Query | None, arm: str = "") -> StoredResult | None:
        """The stored result for a video and question, and of an evaluation for an arm.

        That of another path with the same content will do if it is the same file, or nothing is there any
        more: the video was moved. A copy beside it has a result of its own.
        """
        with self._lock:
            same = self._by_key.get(key_of(self._settings, content, query, arm), [])
            stored = next((one for one in same if one.video == video), None)
            stored = stored or next((one for one in same if is_same_file(one.video, video)), None)
            stored = stored or next((one for one in same if not os.path.exists(one.video)), None)
            if stored is None and is_remote(video) and content.key.startswith(PATH):  # nobody looked there
                stored = self._of_addresses.get(_question_key(video, query, arm))
            if stored is not None and stored.failed is None:
                self._forget_failure(_question_key(video, query, arm), stored)
            return stored

    def follow(self, stored: StoredResult, video: str, content: Content) -> None:
        """Gives the record of a moved video its new path, and the name of its subtitle file.

        Raises:
            DynFocusError: it cannot be written; the record stays as it was.
        """
        with self._lock:
            if stored.replaced or stored.video == video or os.path.exists(stored.video):
                return
            with open(os.dup(self._file), "rb") as file:
                file.seek(stored.start)
                record = json.loads(file.read(stored.length))
            _rename(record, video)
            if content.subtitles is not None and record.get("subtitles"):
                record["subtitles"]["origin"] = content.subtitles
            self._append(record, fresh=stored.fresh).replace(stored)

    def add(self, video: str, content: Content, query: Query | None, record: Record, arm: str = "") -> None:
        """Appends a result, marked with its key; it is in the file when this returns.

        The failure of a video that was moved since gives way to it, and so does a guess.

        Raises:
            DynFocusError: it cannot be written, and nothing of it is in the file.
        """
        key = key_of(self._settings, content, query, arm)
        with self._lock:
            stored = self._append({**record, "key": key, "settings": self._settings}, fresh=True)
            for other in self._by_key[key]:
                gives_way = other.failed is not None or other.is_guess
                if gives_way and other is not stored and not os.path.exists(other.video):
                    stored.replace(other)

    def _append(self, record: Record, *, fresh: bool) -> StoredResult:
        line = line_of(record)
        try:
            self._write(line)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise DynFocusError(
                f"Cannot write {self.path}: {error.strerror}. What it holds is whole: once that is mended, "
                "run the same command again to go on."
            ) from error
        return self._admit(record, len(line), fresh=fresh)

    def close(self) -> None:
        """Drops results that newer ones replace, removes a file without results, and releases the lock."""
        if self._file < 0:
            return
        try:
            if self._results:
                self._tidy()
                with suppress(OSError):
                    os.fsync(self._file)
            elif os.fstat(self._file).st_size == 0 and not self.stays_empty:
                # A run that came to nothing leaves nothing, as long as the name still means this file.
                with suppress(OSError):
                    if self._made and _is_at(self.path, self._file):
                        os.unlink(self.path)
        finally:
            os.close(self._file)
            self._file = -1

    def _open(self) -> int:
        if self.path in ("", "-"):
            raise UsageError(f"`output` needs the name of a file, got {self.path!r}.")
        while True:
            self._made = not os.path.lexists(self.path)
            try:
                file = os.open(self.path, MODE | os.O_CREAT, 0o666)
            except (OSError, ValueError) as error:
                raise UsageError(f"`output` {self.path} cannot be written to: {reason(error)}.") from error
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise UsageError(f"`output` {self.path} is no file that a run can go on with.")
                self._lock_file(file)
                # Another run may have replaced the file between the two, and this lock be one on the old.
                if _is_at(self.path, file):
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _lock_file(self, file: int) -> None:
        try:
            free = lock(file)
        except OSError as error:
            self._warn(f"{self.path} cannot be locked ({error.strerror}): let one run at a time write to it.")
            return
        if not free:
            raise UsageError(
                f"`output` {self.path} is being written by another run: wait for it, or name another file."
            )

    def _admit_line(self, number: int, line: bytes) -> None:
        try:
            record = json.loads(line)
            settings = record["settings"]
            if not isinstance(settings, str):
                raise self._no_result(number)
            if settings != self._settings:
                raise self._other_settings(settings)
            self._admit(record, len(line), fresh=False)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._no_result(number) from error

    def _admit(self, record: Record, length: int, *, fresh: bool) -> StoredResult:
        """Takes note of a line at the end of the file."""
        key, video, failure = record["key"], record["video"], record.get("error")
        failed = None if failure is None else failure["code"]
        stored = StoredResult(
            key,
            video,
            failed,
            fresh,
            self._size,
            length,
            len(self._results),
            is_guess=record.get("in_domain") is False,
            is_refusal=failure is not None and failure.get("kind") == OutOfDomain.__name__,
        )
        self._size += length
        question = (video, *question_of(record), record.get("arm", ""))
        self._forget_failure(question, stored)
        for same in self._by_key.setdefault(key, []):
            if same.video == video and not same.replaced:
                stored.replace(same)
        self._by_key[key] = [same for same in self._by_key[key] if not same.replaced] + [stored]
        if failed is not None:
            self._failures[question] = stored
        elif is_remote(video):
            self._of_addresses[question] = stored
        self._results.append(stored)
        return stored

    def _forget_failure(self, question: QuestionKey, by: StoredResult) -> None:
        """Replaces the failure of an earlier try, also where the path was another file's then."""
        failure = self._failures.pop(question, None)
        if failure is not None and failure is not by and not failure.replaced:
            by.replace(failure)

    def _write(self, line: bytes) -> None:
        left = line
        while left:
            left = left[os.write(self._file, left) :]
        if time.monotonic() - self._synced >= SYNC_S:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def _tidy(self) -> None:
        """Replaces the file by one without what was replaced; if that fails, the old one stays."""
        if not any(stored.replaced for stored in self._results):
            return
        if os.fstat(self._file).st_size != self._size:
            return  # a write was broken off, and the next run will see what is there
        final = os.path.realpath(self.path)
        temporary = os.path.join(os.path.dirname(final), f"{TEMPORARY}{os.urandom(8).hex()}")
        staying = sorted((one for one in self._results if not one.replaced), key=lambda one: one.place)
        mode = stat.S_IMODE(os.fstat(self._file).st_mode)
        try:
            new = os.open(temporary, MODE | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            return self._untidy(error)
        try:
            os.chmod(temporary, mode)  # whatever the mask takes away
            with open(os.dup(self._file), "rb") as old, open(os.dup(new), "wb") as file:
                for stored in staying:
                    old.seek(stored.start)
                    file.write(old.read(stored.length))
            os.fsync(new)
            self._lock_file(new)  # before anyone can find it under its name
            os.replace(temporary, final)
        except BaseException as error:
            os.close(new)
            with suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                return self._untidy(error)
            raise
        os.close(self._file)
        self._file, self._results, self._size = new, staying, 0
        for place, stored in enumerate(staying):
            stored.start, stored.place = self._size, place
            self._size += stored.length

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _untidy(self, error: OSError) -> None:
        self._warn(
            f"{self.path} still holds failures beside the results of later tries, which stand behind them: "
            f"its folder cannot be written to ({error.strerror})."
        )

    def _no_result(self, number: int) -> UsageError:
        return UsageError(
            f"`output` {self.path} holds something that `output` did not write (line {number}): name another "
            "file."
        )

    def _other_settings(self, settings: str) -> UsageError:
        theirs, ours = shlex.split(settings), shlex.split(self._settings)
        there = " ".join(word for word in theirs if word not in ours) or "the default"
        here = " ".join(word for word in ours if word not in theirs) or "the default"
        return UsageError(
            f"`output` {self.path} holds results of other settings (there {there}; here {here}): name "
            "another file, or repeat the settings that it was begun with."
        )


def _question_key(video: str, query: Query | None, arm: str) -> QuestionKey:
    return (video, None, None, arm) if query is None else (video, query.text, query.id, arm)


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except OSError:
        return False


def _rename(record: Record, video: str) -> None:
    """Gives the record of one video another path, also where a search names it again."""
    record["video"] = video
    if "vid" in record:
        record["vid"] = stem_of(video)
    for moment in record.get("moments", ()):
        moment["video"] = video


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
