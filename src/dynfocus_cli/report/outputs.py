"""Where files for the user go: one named by the user, or a folder of files named after their videos."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import reason, write_atomically

LONGEST_STEM = 180
"""Bytes of a video's name in a file's: the rest of a file name's 255 is for what follows."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the user gave for an option like `--html OUT`."""

    path: Path
    suffix: str
    """Of the files written, in lower case."""
    is_folder: bool
    """Then each video has a file of its own in it, and none that is there is overwritten."""

    def file_for(self, stem: str) -> Path:
        """The file for the video that is called `stem`."""
        return self.path / f"{stem}{self.suffix}" if self.is_folder else self.path


def target(flag: str, out: str, suffixes: tuple[str, ...], *, several: bool) -> Target:
    """Reads OUT: a folder where it is one, ends with a slash or has no suffix; else a file.

    A missing folder is made, and the files in it have the first of `suffixes`; a file has one of them.

    Raises:
        UsageError: an unknown suffix, one file for several videos, or a place that cannot be written to.
    """
    path = Path(out)
    if out == "-" and flag == "--csv":
        raise UsageError("--csv - is for `dynfocus inspect`: here stdout has the answer. Name a file.")
    if out in ("", "-"):
        raise UsageError(f"{flag} needs the name of a file or folder, got {out!r}.")
    if path.is_dir() or out.endswith("/") or not path.suffix:
        return folder(flag, out, suffixes[0])
    if path.suffix.lower() not in suffixes:
        raise UsageError(
            f"{flag} {out}: give a name that ends in {' or '.join(suffixes)}, or a folder with / at its end."
        )
    if several:
        raise UsageError(f"{flag} {out} is one file and there are several videos: name a folder.")
    _require_writable(flag, path.parent)
    return Target(path, path.suffix.lower(), is_folder=False)


def folder(flag: str, out: str, suffix: str) -> Target:
    """OUT as a folder, made where it is missing. Raises UsageError where that cannot be."""
    path = Path(out)
    if not out:
        raise UsageError(f"{flag} needs the name of a folder, got {out!r}.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{flag} {out} cannot be written to: it is no folder.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {out} cannot be written to: {reason(error)}.") from error
    _require_writable(flag, path)
    return Target(path, suffix, is_folder=True)


def _require_writable(flag: str, folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{flag}: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{flag}: the folder {folder} cannot be written to.")


def stem_of(video: str) -> str:
    """A video's name without its suffix, short enough for the names of its files."""
    stem = os.fsencode(Path(video).stem)
    # A long name is cut between two characters; a short one keeps its bytes, whatever they are.
    return os.fsdecode(stem) if len(stem) <= LONGEST_STEM else stem[:LONGEST_STEM].decode("utf-8", "ignore")


def write_whole(path: Path, data: bytes) -> None:
    """Writes or replaces a file at once: whoever looks finds the old one or all of the new one.

    Raises:
        UsageError: it cannot be written, and what stood there still does.
    """
    try:
        write_atomically(Path(os.path.realpath(path)), data)  # through a link, and not in its place
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot write {path}: {reason(error)}.") from error
