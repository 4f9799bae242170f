"""Several videos in one run: expand what the user named, go through it, keep each failure to itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from dynfocus_cli.errors import VideoUnreadable

Result = TypeVar("Result")

STDIN = "-"
"""Stands for the paths on standard input."""

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
    | {".ogv", ".ts", ".webm", ".wmv"}
)
"""What counts as a video in a folder. A file named on its own may be called anything."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of one video: a result or an error, never both."""

    video: str
    result: Result | None
    error: Exception | None


def expand(arguments: Iterable[str], stdin: Iterable[bytes]) -> list[str]:
    """The videos that `arguments` name, in their order; a folder gives the videos directly in it, by name.

    `-` stands for the lines of `stdin`, which may again be files or folders. Nothing is raised here: a folder
    without videos and a missing file stay in the list, for `check` to report next to the videos that work.
    """
    videos: list[str] = []
    for argument in arguments:
        # Bytes, since a file name need not be valid text.
        lines = (os.fsdecode(line.rstrip(b"\r\n")) for line in stdin) if argument == STDIN else [argument]
        for path in lines:
            if path:
                videos.extend(_videos_in(path) or [path])
            elif argument != STDIN:
                videos.append(path)
    return videos


def check(video: str) -> None:
    """Raise VideoUnreadable for what a look at the file system can already tell, without decoding."""
    if not video:
        raise VideoUnreadable("The path of a video is empty.")
    if os.path.isdir(video):
        try:
            os.scandir(video).close()
        except OSError as error:
            raise VideoUnreadable(f"Cannot read the folder {video}: {error.strerror}.") from error
        raise VideoUnreadable(f"No video files directly in the folder {video}.")
    if not os.path.exists(video):
        hint = " Only local files are opened; download it first." if "://" in video else ""
        raise VideoUnreadable(f"No such file: {video}.{hint}")


def run(videos: Iterable[str], work: Callable[[str], Result]) -> Iterator[Outcome[Result]]:
    """Call `work` on each video, in order, as outcomes are asked for; an error becomes the video's outcome.

    An interrupt (any BaseException that is no Exception) still ends the run.
    """
    for video in videos:
        try:
            check(video)
            outcome: Outcome[Result] = Outcome(video, work(video), None)
        except Exception as error:
            outcome = Outcome(video, None, error)
        yield outcome


def _videos_in(folder: str) -> list[str]:
    """Video files directly in `folder`, sorted by name, hidden ones left out; empty where it is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and os.path.splitext(entry.name)[1].lower() in VIDEO_SUFFIXES
                and entry.is_file()
            ]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names)]
