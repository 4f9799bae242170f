"""The files that `ask` and `inspect` write on request: each module here is a format.

A new format is a new module with a `FORMAT`. Its flag in `ask` and `inspect`, and its suffixes in
`write_export` and the chat's `/export`, follow from that.

The modules are imported for `--help` too: they import PyAV, Pillow and Jinja2 within functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynfocus_cli.moments.moment import Moments, VideoMoments
    from dynfocus_cli.report.moment_pictures import MomentPicture
    from dynfocus_cli.report.moment_spans import MomentSpan
    from dynfocus_cli.report.pictures import KeyFramePicture
    from dynfocus_cli.report.shot_spans import ShotSpan
    from dynfocus_cli.types import Answer, Inspection

THUMBNAIL = 320
"""Pixels of the longer side of a picture on a page or a contact sheet."""


class ExportSource:
    """What files are made of: a selection, the answer it was made for, and what several formats show."""

    def __init__(self, result: Answer | Inspection, switches: frozenset[str] = frozenset()) -> None:
        from dynfocus_cli.types import Answer

        self.answer = result if isinstance(result, Answer) else None
        self.inspection = result.evidence if isinstance(result, Answer) else result
        self.switches = switches
        """Flags of the switches that are on."""

    @cached_property
    def thumbnails(self) -> list[KeyFramePicture]:
        """The key frames. Raises VideoUnreadable where they can no longer be decoded."""
        from dynfocus_cli.report.pictures import key_frame_pictures

        return list(key_frame_pictures(self.inspection, THUMBNAIL))

    @cached_property
    def shots(self) -> tuple[ShotSpan, ...]:
        """The video as an editor cuts it. Raises VideoUnreadable where it can no longer be decoded."""
        from dynfocus_cli.report.shot_spans import shot_spans

        return shot_spans(self.inspection)


class MomentsSource:
    """What files of a search are made of."""

    def __init__(self, moments: Moments, switches: frozenset[str] = frozenset()) -> None:
        self.moments = moments
        self.switches = switches
        """Flags of the switches that are on."""

    @property
    def video(self) -> VideoMoments:
        """The only video, of a format that does not hold several."""
        (video,) = self.moments.videos
        return video

    @cached_property
    def spans(self) -> tuple[MomentSpan, ...]:
        """The moments in time order, with titles."""
        from dynfocus_cli.report.moment_spans import moment_spans

        return moment_spans(self.moments)

    @cached_property
    def thumbnails(self) -> list[MomentPicture]:
        """The best frames. Raises VideoUnreadable where they can no longer be decoded."""
        from dynfocus_cli.report.moment_pictures import moment_pictures

        return moment_pictures(self.moments, THUMBNAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentsFormat:
    """How a format shows what a search found."""

    help: str
    content: Callable[[MomentsSource, Path], bytes]
    """The bytes of the file of this name."""
    holds_several: bool = False
    """Whether one file has the moments of several videos."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A flag that changes the files of a format."""

    flag: str
    help: str
    effect: str
    """What it does, for the message where the format itself is not asked for."""

    @property
    def parameter(self) -> str:
        """The flag as a name in Python."""
        return _parameter(self.flag)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """A kind of file, or with `contents` a folder of files, that a result can be written as."""

    flag: str
    help: str
    suffixes: tuple[str, ...]
    """Which a file may have; files in a folder have the first one."""
    content: Callable[[ExportSource, Path], bytes] | None = None
    """The bytes of a video's file of this name."""
    contents: Callable[[ExportSource], Iterator[tuple[str, bytes]]] | None = None
    """A video's files in a folder: what follows the video's name in a file's, and its bytes."""
    name_pattern: str = ""
    """Of `contents`, what follows the video's name, as a regular expression."""
    has_pictures: bool = False
    """Whether it shows key frames: such formats stand first on help pages, and are written last."""
    place: int = 99
    """Among the formats with pictures, or among those without."""
    to_stdout: bool = False
    """Whether `inspect` writes it to standard output where OUT is `-`."""
    switch: Switch | None = None
    moments: MomentsFormat | None = None
    """How `find` writes it; None where it does not."""
    check: Callable[[str, frozenset[str]], None] = lambda video, switches: None
    """Raises UsageError where a video cannot be written so, before it is opened."""

    @property
    def parameter(self) -> str:
        """The flag as a name in Python."""
        return _parameter(self.flag)


@cache
def formats() -> tuple[ExportFormat, ...]:
    """Every format, in the order of help pages: those with pictures first."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    unsorted: list[ExportFormat] = [module.FORMAT for module in modules]
    return tuple(sorted(unsorted, key=lambda format: (not format.has_pictures, format.place)))


def _parameter(flag: str) -> str:
    """--contact-sheet -> contact_sheet"""
    return flag.removeprefix("--").replace("-", "_")
