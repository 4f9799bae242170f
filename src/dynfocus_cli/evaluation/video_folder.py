"""The videos of a benchmark, found by the name or id that its official file gives."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".flv", ".m4v", ".mpg", ".ts", ".wmv")
"""Those that the benchmarks' videos come with, and those that a download from YouTube makes of them."""


class VideoFolder:
    """The videos in a folder and the folders below it, which are listed once."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._by_name = defaultdict[str, list[Path]](list)
        self._by_stem = defaultdict[str, list[Path]](list)
        for folder, folders, names in os.walk(data, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in SUFFIXES:
                    path = Path(folder, name)
                    self._by_name[name.lower()].append(path)
                    self._by_stem[stem].append(path)

    def paths(self, name: str, folder: str = "") -> list[Path]:
        """The videos that an official file may mean: one, none, or several that are ambiguous.

        A name with a suffix means the file of that name where there is one, else any video of that stem: who
        downloads from YouTube gets `.webm` or `.mkv` for `.mp4`. Where the videos of a task have a `folder`
        of their own, those in folders of that name come before all others.
        """
        base = os.path.basename(name)
        stem, suffix = os.path.splitext(base)
        has_suffix = suffix.lower() in SUFFIXES
        paths = self._by_name.get(base.lower(), []) if has_suffix else []
        paths = paths or self._by_stem.get(stem if has_suffix else base, [])
        in_folder = [path for path in paths if folder and path.parent.name == folder]
        return in_folder or list(paths)

    def problem(self, name: str, paths: list[Path]) -> str:
        """Why these are not one video."""
        if not paths:
            return f"There is no video {name} in {self.data}."
        names = ", ".join(str(path.relative_to(self.data)) for path in paths)
        return f"The video {name} is ambiguous: {names}."
