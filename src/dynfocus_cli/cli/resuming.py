"""`--output FILE`: results go into a file, and what is in it already is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dynfocus_cli.batch.remote_videos import is_remote, remote_content
from dynfocus_cli.batch.result_key import Content, content_of, digest_function
from dynfocus_cli.batch.results import ResultFile, StoredResult
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.interrupts import uninterrupted
from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.cli.options import BatchOptions, OutputOptions, ShotOptions
    from dynfocus_cli.options import FindOptions, RunOptions
    from dynfocus_cli.report.json import Record
    from dynfocus_cli.types import ModelInfo


@dataclass(slots=True)
class ResumableResults:
    """A file of results during one run."""

    path: str
    """As the user named it."""
    retry_failed: bool
    settings: Callable[[bool], str]
    """Those of a run over several videos or one, worked out once it is sure that the file can be written."""
    options: RunOptions
    remote: bool = False
    """Whether addresses of videos in object stores are looked up there."""
    still_holds: Callable[[str], bool] | None = None
    """Whether what came of a video is still there, where that is more than its line in the file."""
    done: int = 0
    """Results of earlier runs that were passed over."""
    failures: list[int] = field(default_factory=list)
    """Exit codes of the failures among them."""
    added: int = 0
    had_results: bool = False
    """Whether the file has results of earlier runs; else no video has to be read to look it up there."""
    _file: ResultFile = field(init=False)
    _begun: tuple[str, Content] | None = None
    """The video that was looked up last, and what was in it then: an answer is filed under what it was made
    from, also where the file has been written to since."""

    @contextmanager
    def opened(self, *, quiet: bool) -> Iterator[ResumableResults]:
        """This run alone has the file until the block ends; says what it holds then.

        Raises:
            UsageError: it cannot be written, or another run writes to it.
        """
        with ResultFile(self.path) as file:
            self._file = file
            try:
                yield self
            finally:
                with uninterrupted():
                    file.close()
                self._warn()
                if not quiet and self.added:
                    say(f"{self.path} has {_results(file.count)}: {self.added} new, {self.done} made before.")

    def resume(self, *, several_videos: bool, quiet: bool) -> None:
        """Reads what the file holds, and says so; nothing is looked up or added before.

        Raises:
            UsageError: it is of other settings.
        """
        file = self._file
        file.resume(self.settings(several_videos))
        self.had_results = file.count > 0
        self._warn()
        if file.count and not quiet:
            failures = f", {file.failures} of them failures" if file.failures else ""
            if failures and self.retry_failed:
                failures += " to be tried again"
            say(f"{self.path} has {_results(file.count)} of earlier runs{failures}.")

    def stay_empty(self) -> None:
        """Has the file stay though nothing was to be done: it is the part of a run that has no videos."""
        self._file.stays_empty = True

    def has(self, video: str, query: Query | None) -> bool:
        """Whether the file has a result that will do."""
        return self._stored(video, self._content_of(video), query) is not None

    def pass_over(self, video: str, query: Query | None) -> bool:
        """Whether the file has a result that will do; counts it if it has."""
        content = self._content_of(video)
        self._begun = video, content
        stored = self._stored(video, content, query)
        if stored is None:
            return False
        with uninterrupted():
            self._file.follow(stored, video, content)
        if not stored.fresh:  # a fresh one is of a video that was named twice
            self.done += 1
            if stored.failed is not None:
                self.failures.append(stored.failed)
        return True

    def add(self, video: str, query: Query | None, record: Record, content: Content | None = None) -> None:
        """Puts a result into the file.

        Args:
            content: the video's identity, where it is known already.
        """
        begun = self._begun  # which another thread may replace
        if content is None and begun is not None and begun[0] == video:
            content = begun[1]
        with uninterrupted():
            self._file.add(video, content or self._content_of(video), query, record)
            self.added += 1

    def _stored(self, video: str, content: Content, query: Query | None) -> StoredResult | None:
        stored = self._file.find(video, content, query)
        if stored is None or stored.fresh:
            return stored
        if stored.failed is None:
            if self.options.strict and stored.is_guess:
                return None
            return stored if self.still_holds is None or self.still_holds(video) else None
        if self.options.anyway and stored.is_refusal:
            return None
        # The message of a failure speaks of the place where the video was.
        moved = stored.video != video and not os.path.exists(stored.video)
        return None if self.retry_failed or moved else stored

    def _content_of(self, video: str) -> Content:
        if self.remote and is_remote(video):
            return remote_content(video)
        return content_of(
            video,
            digest=digest_function(cache=self.options.decoding.cache),
            subtitles_beside=self.options.subtitles == "auto",
        )

    def _warn(self) -> None:
        while self._file.warnings:
            say(f"Warning: {self._file.warnings.pop(0)}")


def results_of(
    command: str,
    batch: BatchOptions,
    info: Callable[[], ModelInfo],
    options: RunOptions,
    form: OutputOptions,
    more: Callable[[bool], FindOptions | ShotOptions | None] = lambda several_videos: None,
    still_holds: Callable[[str], bool] | None = None,
    *,
    remote: bool = False,
) -> ResumableResults | None:
    """Where results go, or None for stdout. Raises UsageError for options that contradict each other.

    Args:
        info: of the model, which is read once it is sure that the file can be written.
        more: further options that a record depends on, of a run over several videos or one.
        still_holds, remote: see `ResumableResults`.
    """
    if batch.output is None:
        if batch.retry_failed:
            raise UsageError("--retry-failed does again what failed in a file: name it with --output.")
        return None
    if form.format == "json":
        raise UsageError("--output writes JSON lines, one a result: leave one of --json and --output out.")
    if form.dry_run:
        raise UsageError("--dry-run makes no result that --output could keep: leave one of them out.")

    def settings(several_videos: bool) -> str:
        from dynfocus_cli.batch.result_key import settings_of

        return settings_of(command, info(), options, more(several_videos))

    return ResumableResults(batch.output, batch.retry_failed, settings, options, remote, still_holds)


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count} results"
