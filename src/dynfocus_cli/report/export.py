"""Writes the files of a result: where each goes, and what became of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import is_same_file, reason, write_atomically
from dynfocus_cli.report.spans import stem_of
from dynfocus_cli.report.writers import ExportFormat, ExportSource, formats

if TYPE_CHECKING:
    from dynfocus_cli.types import Answer, Inspection

FORMATS = sorted(formats(), key=lambda format: format.has_pictures)
"""In the order in which files are written: pictures take longest."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which files to write."""

    outputs: Mapping[str, str]
    """OUT by the flag of its format."""
    switches: frozenset[str] = frozenset()
    """Flags of the switches that are on."""

    def __post_init__(self) -> None:
        for format in FORMATS:
            switch = format.switch
            if switch and switch.flag in self.switches and format.flag not in self.outputs:
                raise UsageError(f"{switch.flag} {switch.effect}: name that with {format.flag}.")


@dataclass(slots=True)
class ExportResult:
    """What became of one video's files."""

    written: list[Path] = field(default_factory=list)
    """Files, and folders of a format that has several files a video."""
    problems: list[Exception] = field(default_factory=list)
    """One for each that could not be written: none of them may cost the files of other videos."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the files of one format go."""

    format: ExportFormat
    path: Path
    suffix: str = ""
    """Of the files written, in lower case."""
    is_folder: bool = True
    """Then each video has files of its own in it, and none that is there is overwritten."""

    @classmethod
    def of(cls, format: ExportFormat, out: str, *, several: bool) -> Destination:
        """Reads OUT: a folder where it is one, ends with a slash or has no suffix; else a file.

        A missing folder is made, and the files in it have the first of the format's suffixes; a file has one
        of them.

        Raises:
            UsageError: an unknown suffix, one file for several videos, or a place that cannot be written to.
        """
        flag, path = format.flag, Path(out)
        if format.contents is not None:
            if not out:
                raise UsageError(f"{flag} needs the name of a folder, got {out!r}.")
            return cls(format, made_folder(flag, out))
        if out == "-" and format.to_stdout:
            raise UsageError(f"{flag} - is for `dynfocus inspect`: here stdout has the answer. Name a file.")
        if out in ("", "-"):
            raise UsageError(f"{flag} needs the name of a file or folder, got {out!r}.")
        if os.path.isdir(path) or out.endswith("/") or not path.suffix:
            return cls(format, made_folder(flag, out), format.suffixes[0])
        if path.suffix.lower() not in format.suffixes:
            raise UsageError(
                f"{flag} {out}: give a name that ends in {' or '.join(format.suffixes)}, "
                "or a folder with / at its end."
            )
        if several:
            raise UsageError(f"{flag} {out} is one file and there are several videos: name a folder.")
        _require_writable(flag, path.parent)
        return cls(format, path, path.suffix.lower(), is_folder=False)

    def check(self, video: str) -> None:
        """Raises UsageError where the file would replace its video."""
        if not self.is_folder and is_same_file(video, self.path):
            raise UsageError(f"{self.format.flag} {self.path} would replace the video itself.")

    def is_taken(self, stem: str) -> bool:
        """Whether a file that is there has the name of one for the video called `stem`."""
        if not self.is_folder:
            return False
        if self.format.contents is None:
            return os.path.lexists(self.path / f"{stem}{self.suffix}")
        name = re.compile(re.escape(stem) + self.format.name_pattern)
        try:
            return any(map(name.fullmatch, os.listdir(self.path)))
        except OSError:
            return False

    def write(self, source: ExportSource, stem: str) -> Path:
        """Writes the files for the video called `stem`; returns the file, or the folder of several."""
        if self.format.contents is not None:
            for name, data in self.format.contents(source):
                write_whole(self.path / f"{stem}{name}", data)
            return self.path
        assert self.format.content is not None, "a format has one or the other"
        content = self.format.content
        return self.put(stem, lambda file: content(source, file))

    def put(self, stem: str, content: Callable[[Path], bytes]) -> Path:
        """Writes the one file for what is called `stem`; returns it."""
        file = self.path / f"{stem}{self.suffix}" if self.is_folder else self.path
        write_whole(file, content(file))
        return file


class Exporter:
    """Writes the files of one video after the other.

    Raises:
        UsageError: where a name, a suffix or a folder will not do, or a video is too large to embed; no video
            has been opened by then.
    """

    def __init__(self, options: ExportOptions, videos: Sequence[str]) -> None:
        self._switches = options.switches
        self._destinations = [
            Destination.of(format, options.outputs[format.flag], several=len(videos) > 1)
            for format in FORMATS
            if format.flag in options.outputs
        ]
        self._stems: set[str] = set()
        for video in videos:
            for destination in self._destinations:
                destination.check(video)
            for destination in self._destinations:
                destination.format.check(video, self._switches)

    def write(self, result: Answer | Inspection) -> ExportResult:
        """All files of one video; where one cannot be written the others still are."""
        source = ExportSource(result, self._switches)
        stem = self._new_stem(source.inspection.source.path)
        exported = ExportResult()
        for destination in self._destinations:
            try:
                exported.written.append(destination.write(source, stem))
            except Exception as error:
                exported.problems.append(error)
        return exported

    def _new_stem(self, video: str) -> str:
        """What this video's files in folders are called."""
        return free_stem(stem_of(video), self._destinations, self._stems)


def free_stem(stem: str, destinations: Sequence[Destination], taken: set[str]) -> str:
    """`clip`, or `clip-2` where a file of that name is there or `clip` is among those `taken`, to which it is
    added."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    free = next(
        name for name in names if name not in taken and not any(each.is_taken(name) for each in destinations)
    )
    taken.add(free)
    return free


def write_export(result: Answer | Inspection, path: str | os.PathLike[str], *, embed: bool = False) -> Path:
    """Writes the file that the suffix of `path` stands for, and replaces what is there; returns the path.

    `.html` is the page, `.jpg` and `.png` a contact sheet, `.csv` the table of frames, `.edl` cuts, `.vtt`
    and `.ffmeta` chapters, `.otio` and `.fcpxml` a timeline for editors.

    Args:
        embed: put the video into the page.

    Raises:
        UsageError: another suffix, or a file that cannot be written.
        VideoUnreadable: the video is needed for pictures, and can no longer be read.
    """
    file = Path(path)
    by_suffix = {suffix: each for each in FORMATS if each.content for suffix in each.suffixes}
    if (format := by_suffix.get(file.suffix.lower())) is None:
        raise UsageError(f"{file}: give a name that ends in one of {', '.join(by_suffix)}.")
    options = ExportOptions({format.flag: str(file)}, frozenset(["--embed"] if embed else []))
    exported = Exporter(options, [ExportSource(result).inspection.source.path]).write(result)
    if exported.problems:
        raise exported.problems[0]
    return exported.written[0]


def write_whole(path: Path, data: bytes) -> None:
    """Writes or replaces a file atomically: readers see the old content or all of the new.

    Raises:
        UsageError: it cannot be written, and what stood there still does.
    """
    try:
        write_atomically(Path(os.path.realpath(path)), data)  # through a link, and not in its place
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot write {path}: {reason(error)}.") from error


def made_folder(flag: str, out: str) -> Path:
    """The folder OUT, made where it is missing. Raises UsageError where that cannot be."""
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{flag} {out} cannot be written to: it is no folder.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {out} cannot be written to: {reason(error)}.") from error
    _require_writable(flag, path)
    return path


def _require_writable(flag: str, folder: Path) -> None:
    if not os.path.isdir(folder):
        raise UsageError(f"{flag}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{flag}: the folder {folder} cannot be written to.")
