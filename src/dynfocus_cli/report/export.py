"""The files that `ask` and `inspect` write on request: a page, pictures, tables, and events for editors."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.outputs import folder, stem_of, target, write_whole

if TYPE_CHECKING:
    from dynfocus_cli.report.pictures import KeyFramePicture
    from dynfocus_cli.report.spans import EventSpan
    from dynfocus_cli.types import Answer, Inspection

MOST_EMBEDDED = 32 << 20
"""Bytes of a video that goes into a page: browsers grow slow with larger ones."""

THUMBNAIL = 320
"""Pixels of the longer side of a picture on a page or a contact sheet."""

FRAME_QUALITY, SHEET_QUALITY = 95, 88


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to write: the flags `--html --embed --contact-sheet --save-frames --csv --edl --chapters`."""

    html: str | None = None
    embed: bool = False
    """Put the video into the page."""
    contact_sheet: str | None = None
    save_frames: str | None = None
    csv: str | None = None
    edl: str | None = None
    chapters: str | None = None

    def __post_init__(self) -> None:
        if self.embed and self.html is None:
            raise UsageError("--embed puts the video into a page: name that with --html.")

    def files(self) -> dict[str, str]:
        """Flag -> OUT of those that write a file a video."""
        named = {
            "--csv": self.csv,
            "--edl": self.edl,
            "--chapters": self.chapters,
            "--html": self.html,
            "--contact-sheet": self.contact_sheet,
        }
        return {flag: out for flag, out in named.items() if out is not None}


@dataclass(slots=True)
class Exported:
    """What became of one video's files."""

    written: list[Path] = field(default_factory=list)
    """Files, and the folder of single frames."""
    problems: list[Exception] = field(default_factory=list)
    """One for each that could not be written: none of them may cost the files of other videos."""


class Exporter:
    """Writes the files of one video after the other.

    Raises:
        UsageError: where a name, a suffix or a folder will not do, or a video is too large to embed; no video
            has been opened by then.
    """

    def __init__(self, options: ExportOptions, videos: Sequence[str]) -> None:
        self._embed = options.embed
        self._files = {
            flag: target(flag, out, FORMATS[flag].suffixes, several=len(videos) > 1)
            for flag, out in options.files().items()
        }
        self._frames = None
        if options.save_frames is not None:
            self._frames = folder("--save-frames", options.save_frames, ".jpg")
        self._stems: set[str] = set()
        for video in videos:
            self._check(video)

    def write(self, inspection: Inspection, answer: Answer | None = None) -> Exported:
        """All files of one video; where one cannot be written the others still are.

        Args:
            answer: goes onto the page, where the selection was made for one.
        """
        from dynfocus_cli.report.pictures import key_frame_pictures
        from dynfocus_cli.report.stretches import stretches

        stem = self._new_stem(inspection.source.path)

        @cache
        def thumbnails() -> list[KeyFramePicture]:
            return list(key_frame_pictures(inspection, THUMBNAIL))

        @cache
        def cuts() -> tuple[EventSpan, ...]:
            return stretches(inspection)

        done = Exported()
        for flag, wanted in self._files.items():
            job = _Job(inspection, answer, wanted.file_for(stem), thumbnails, cuts, self._embed)
            try:
                write_whole(job.file, FORMATS[flag].make(job))
            except Exception as error:
                done.problems.append(error)
            else:
                done.written.append(job.file)
        if self._frames is not None:
            try:
                _save_frames(inspection, self._frames.path, stem)
            except Exception as error:
                done.problems.append(error)
            else:
                done.written.append(self._frames.path)
        return done

    def _check(self, video: str) -> None:
        """Raises UsageError where a file would replace its video, or a page cannot hold it."""
        for flag, wanted in self._files.items():
            if not wanted.is_folder and _same_file(video, wanted.path):
                raise UsageError(f"{flag} {wanted.path} would replace the video itself.")
        if self._embed and (size := _size(video)) > MOST_EMBEDDED:
            raise UsageError(
                f"--embed: {video} has {size / 2**20:.0f} MiB, and a page holds at most "
                f"{MOST_EMBEDDED >> 20}: leave --embed out, and keep the video beside the page."
            )

    def _new_stem(self, video: str) -> str:
        """What this video's files in folders are called: `clip`, or `clip-2` where `clip` is taken."""
        stem = stem_of(video)
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        free = next(name for name in names if name not in self._stems and not self._is_taken(name))
        self._stems.add(free)
        return free

    def _is_taken(self, stem: str) -> bool:
        if any(
            wanted.is_folder and os.path.lexists(wanted.file_for(stem)) for wanted in self._files.values()
        ):
            return True
        frame = re.compile(re.escape(stem) + r"_\d{2,}-\d\d-\d\d\.\d{3}_event\d+\.jpg")
        return self._frames is not None and any(map(frame.fullmatch, _names_in(self._frames.path)))


class _Job(NamedTuple):
    """One file of one video."""

    inspection: Inspection
    answer: Answer | None
    file: Path
    thumbnails: Callable[[], list[KeyFramePicture]]
    """Decoded at the first call, for all who ask."""
    stretches: Callable[[], tuple[EventSpan, ...]]
    """Likewise."""
    embed: bool


def _page(job: _Job) -> bytes:
    from dynfocus_cli.report.html import embedded, inspection_page, link_to

    source = job.inspection.source
    if job.embed:
        try:
            video = embedded(source.path, source.container)
        except OSError as error:
            raise UsageError(f"Cannot write {job.file}: {source.path}: {error.strerror}.") from error
    else:
        video = link_to(source.path, job.file)
    return _utf8(inspection_page(job.inspection, job.thumbnails(), video, job.answer))


def _sheet(job: _Job) -> bytes:
    from dynfocus_cli.report.contact_sheet import contact_sheet

    sheet = contact_sheet(job.inspection, job.thumbnails())
    file = io.BytesIO()
    if job.file.suffix.lower() == ".png":
        sheet.save(file, "PNG")
    else:
        sheet.save(file, "JPEG", quality=SHEET_QUALITY)
    return file.getvalue()


def _table(job: _Job) -> bytes:
    from dynfocus_cli.report.exports import csv_table

    return _utf8(csv_table(job.inspection))


def _cuts(job: _Job) -> bytes:
    from dynfocus_cli.report.exports import edl

    return _utf8(edl(job.inspection, job.stretches()))


def _chapters(job: _Job) -> bytes:
    from dynfocus_cli.report.exports import ffmetadata_chapters, webvtt_chapters

    if job.file.suffix.lower() == ".ffmeta":
        return _utf8(ffmetadata_chapters(job.inspection, job.stretches()))
    return _utf8(webvtt_chapters(job.stretches()))


class _Format(NamedTuple):
    suffixes: tuple[str, ...]
    """The first one is that of files in a folder."""
    make: Callable[[_Job], bytes]


FORMATS = {
    "--csv": _Format((".csv",), _table),
    "--edl": _Format((".edl",), _cuts),
    "--chapters": _Format((".vtt", ".ffmeta"), _chapters),
    "--html": _Format((".html", ".htm"), _page),
    "--contact-sheet": _Format((".jpg", ".jpeg", ".png"), _sheet),
}
"""By the flag that asks for it."""


def write_export(result: Answer | Inspection, path: str | os.PathLike[str], *, embed: bool = False) -> Path:
    """Writes the file that the suffix of `path` stands for, and replaces what is there; returns the path.

    `.html` is the page, `.jpg` and `.png` a contact sheet, `.csv` the table of frames, `.edl` cuts, `.vtt`
    and `.ffmeta` chapters.

    Args:
        embed: put the video into the page.

    Raises:
        UsageError: another suffix, or a file that cannot be written.
        VideoUnreadable: the video is needed for pictures, and can no longer be read.
    """
    from dynfocus_cli.types import Answer

    file = Path(path)
    flag = next((flag for flag, format in FORMATS.items() if file.suffix.lower() in format.suffixes), None)
    if flag is None:
        known = [suffix for format in FORMATS.values() for suffix in format.suffixes]
        raise UsageError(f"{file}: give a name that ends in one of {', '.join(known)}.")
    options = ExportOptions(**{flag.removeprefix("--").replace("-", "_"): str(file)}, embed=embed)
    inspection, answer = (result.evidence, result) if isinstance(result, Answer) else (result, None)
    exported = Exporter(options, [inspection.source.path]).write(inspection, answer)
    if exported.problems:
        raise exported.problems[0]
    return exported.written[0]


def _save_frames(inspection: Inspection, folder: Path, stem: str) -> None:
    """Each key frame as `clip_00-01-02.500_event3.jpg`, at the size that players show."""
    from dynfocus_cli.report.pictures import key_frame_pictures

    for picture in key_frame_pictures(inspection):
        frame = picture.frame
        name = f"{stem}_{frame.timecode.replace(':', '-')}_event{frame.event}.jpg"
        write_whole(folder / name, picture.jpeg(FRAME_QUALITY))


def _utf8(text: str) -> bytes:
    """What is no valid text, of a file's name in a warning for example, becomes a question mark."""
    return text.encode("utf-8", "replace")


def _same_file(one: str, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _size(path: str) -> int:
    """Bytes; 0 for what is not there, which is told when its turn comes."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
