"""`--output FILE`: results go into a file, and what is in it already is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynfocus_cli.batch.result_key import Content, content_of
from dynfocus_cli.batch.results import ResultFile, StoredResult
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.interrupts import uninterrupted
from dynfocus_cli.files import known_digest

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.report.json import Record


class Resumed:
    """A file of results, as one run meets and leaves it."""

    def __init__(self, file: ResultFile, content_of: Callable[[str], Content], retry_failed: bool) -> None:
        self._file = file
        self._content_of = content_of
        self._retry_failed = retry_failed
        self.done = 0
        """Results that were met in the file, and not made again."""
        self.failures: list[int] = []
        """Exit codes of the failures among them."""
        self.added = 0

    @property
    def path(self) -> str:
        """As the user named it."""
        return self._file.path

    @property
    def count(self) -> int:
        """How many results the file holds."""
        return self._file.count

    def has(self, video: str, query: Query | None) -> bool:
        """Whether there is nothing to do."""
        return self._kept(video, self._content_of(video), query) is not None

    def pass_over(self, video: str, query: Query | None) -> bool:
        """The same, and takes note of what is passed over."""
        content = self._content_of(video)
        kept = self._kept(video, content, query)
        if kept is None:
            return False
        with uninterrupted():
            self._file.follow(kept, video, content)
        if not kept.fresh:  # a fresh one is of a video that was named twice
            self.done += 1
            if kept.failed is not None:
                self.failures.append(kept.failed)
        return True

    def add(self, video: str, query: Query | None, record: Record) -> None:
        """Puts a result into the file."""
        with uninterrupted():
            self._file.add(video, self._content_of(video), query, record)
            self.added += 1

    def _kept(self, video: str, content: Content, query: Query | None) -> StoredResult | None:
        kept = self._file.find(video, content, query)
        if kept is None or kept.failed is None or kept.fresh:
            return kept
        # The message of a failure speaks of the place where the video was.
        moved = kept.video != video and not os.path.exists(kept.video)
        return None if self._retry_failed or moved else kept


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go: the flags `--output --retry-failed`."""

    path: str
    retry_failed: bool
    settings: Callable[[], str]
    """Those of this run, asked for once it is sure that the file can be written."""
    subtitles_beside: bool
    """Whether subtitle files beside the videos are looked for."""
    cache: bool
    """Whether digests of videos may be remembered in the cache."""

    def content_of(self, video: str) -> Content:
        """What a video is known by."""
        return content_of(video, digest=self._digest, subtitles_beside=self.subtitles_beside)

    def _digest(self, path: str) -> str:
        """Of a file's content."""
        from dynfocus_cli.features.cache import FeatureCache

        cache = FeatureCache.default() if self.cache else None
        return known_digest(path) if cache is None else cache.digest(path)


@contextmanager
def resumed(output: Output, *, quiet: bool) -> Iterator[Resumed]:
    """The file of results, for this run alone until the block ends; says what it holds, before and after.

    Raises:
        UsageError: it cannot be written, another run writes to it, or it is of other settings.
    """
    path = output.path
    with ResultFile(path) as file:
        file.resume(output.settings())
        _warn(file)
        if file.count and not quiet:
            before = f"{_results(file.count)} of earlier runs"
            say(f"{path} has {before}{_failed(file.failures, output.retry_failed)}.")
        run = Resumed(file, output.content_of, output.retry_failed)
        try:
            yield run
        finally:
            with uninterrupted():
                file.close()
            _warn(file)
            if not quiet and run.added:
                say(f"{path} has {_results(file.count)}: {run.added} new, {run.done} made before.")


def _warn(file: ResultFile) -> None:
    while file.warnings:
        say(f"Warning: {file.warnings.pop(0)}")


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count} results"


def _failed(failures: int, retry_failed: bool) -> str:
    if not failures:
        return ""
    return f", {failures} of them failures" + (" to be tried again" if retry_failed else "")
