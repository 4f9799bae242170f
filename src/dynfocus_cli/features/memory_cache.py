"""Features of the video that was looked at last, for the next question about it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dynfocus_cli.features.encoded import EncodedFrames

MOST_KEYS = 4
"""Of a video: its frames as several encoders see them, at several sizes."""


class MemoryFeatureCache:
    """As a `FeatureCache` for one video, in memory: it is asked where nothing may be kept on disk."""

    def __init__(self) -> None:
        self._video = ""
        self._frames: dict[str, EncodedFrames] = {}

    def digest(self, path: str | os.PathLike[str]) -> str:
        """What changes when the file does; what is known of another one is forgotten.

        Raises:
            OSError: there is no such file.
        """
        status = os.stat(path)
        video = f"{os.path.realpath(path)!r} {status.st_ino} {status.st_size} {status.st_mtime_ns}"
        if video != self._video:
            self._video, self._frames = video, {}
        return video

    def look_up(self, key: str, moments_s: Sequence[float]) -> EncodedFrames | None:
        """The frames known under `key` for those of the moments that are known, or None."""
        known = self._frames.get(key)
        if known is None:
            return None
        wanted = set(moments_s)
        places = [place for place, time_s in enumerate(known.times_s) if time_s in wanted]
        return known.rows(places) if places else None

    def store(self, key: str, frames: EncodedFrames) -> None:
        """Remembers frames under `key`, beside those already known."""
        known = self._frames.pop(key, None)
        self._frames[key] = frames if known is None else EncodedFrames.joined([known, frames])
        while len(self._frames) > MOST_KEYS:
            del self._frames[next(iter(self._frames))]
