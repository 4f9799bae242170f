"""Writes the files of a search: one for all videos where a format can hold them, else one a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dynfocus_cli.errors import UsageError
from dynfocus_cli.moments.moment import Moments
from dynfocus_cli.report.export import FORMATS, Destination, ExportOptions, ExportResult, free_stem
from dynfocus_cli.report.moment_spans import of_video
from dynfocus_cli.report.spans import stem_of
from dynfocus_cli.report.writers import MomentsSource
from dynfocus_cli.report.writers.html import EMBED

SEVERAL = "moments"
"""What a file of several videos is called in a folder."""


def write_moments(moments: Moments, path: str | os.PathLike[str], *, embed: bool = False) -> Path:
    """Writes the file that the suffix of `path` stands for, and replaces what is there; returns the path.

    `.html` is the page, `.csv` a table, `.jpg` and `.png` a contact sheet; of a single video `.edl`, `.otio`
    and `.fcpxml` cuts for editors, `.vtt` and `.ffmeta` chapters.

    Args:
        embed: put the videos into the page.

    Raises:
        UsageError: another suffix, a file that holds one video for a search of several, one that cannot be
            written, or a search in which no video could be read.
        VideoUnreadable: a video is needed for pictures, and can no longer be read.
    """
    file = Path(path)
    by_suffix = {suffix: each for each in FORMATS if each.moments for suffix in each.suffixes}
    if (format := by_suffix.get(file.suffix.lower())) is None:
        raise UsageError(f"{file}: give a name that ends in one of {', '.join(by_suffix)}.")
    if not moments.videos:
        raise UsageError(f"{file}: no video was searched, so there is nothing to write.")
    options = ExportOptions({format.flag: str(file)}, frozenset([EMBED.flag] if embed else []))
    videos = [video.source.path for video in moments.videos]
    exported = MomentsExporter(options, videos).write(moments)
    if exported.problems:
        raise exported.problems[0]
    return exported.written[0]


class MomentsExporter:
    """Writes the files of one search.

    Raises:
        UsageError: where a name, a suffix or a folder will not do, or a video is too large to embed; no video
            has been opened by then.
    """

    def __init__(self, options: ExportOptions, videos: Sequence[str]) -> None:
        self._switches = options.switches
        self._destinations = []
        for format in FORMATS:
            if format.moments is None or format.flag not in options.outputs:
                continue
            several = len(videos) > 1 and not format.moments.holds_several
            destination = Destination.of(format, options.outputs[format.flag], several=several)
            for video in videos:
                destination.check(video)
                format.check(video, options.switches)
            self._destinations.append(destination)

    def write(self, moments: Moments) -> ExportResult:
        """All files; where one cannot be written the others still are. A video without a moment in the
        ranking has no file of its own."""
        exported = ExportResult()
        whole = [each for each in self._destinations if self._holds(each, moments)]
        stem = stem_of(moments.videos[0].source.path) if len(moments.videos) == 1 else SEVERAL
        self._put(whole, moments, stem, set(), exported)
        each = [destination for destination in self._destinations if destination not in whole]
        taken: set[str] = set()
        for video in moments.videos if each else ():
            own = of_video(moments, video)
            if own.ranked:
                self._put(each, own, stem_of(video.source.path), taken, exported)
        return exported

    def _put(
        self,
        destinations: Sequence[Destination],
        moments: Moments,
        stem: str,
        taken: set[str],
        exported: ExportResult,
    ) -> None:
        if not destinations:
            return
        source, name = MomentsSource(moments, self._switches), free_stem(stem, destinations, taken)
        for destination in destinations:
            format = destination.format.moments
            assert format is not None, "only such formats were taken"
            try:
                exported.written.append(destination.put(name, partial(format.content, source)))
            except Exception as error:
                exported.problems.append(error)

    @staticmethod
    def _holds(destination: Destination, moments: Moments) -> bool:
        """Whether one file has all of it."""
        format = destination.format.moments
        return len(moments.videos) == 1 or (format is not None and format.holds_several)
