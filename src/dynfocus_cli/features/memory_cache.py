"""Patch features of one video in memory, for the next question about it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.files import json_digest, stamp_of

MOST_KEYS = 4
"""Of a video: its frames as several encoders see them, at several sizes."""


class MemoryFeatureCache:
    """A `FeatureCache` of one video in memory, for where nothing may be kept on disk."""

    def __init__(self) -> None:
        self._video = ""
        self._frames: dict[str, EncodedFrames] = {}

    def digest(self, path: str | os.PathLike[str]) -> str:
        """A text that changes when the file does; features of the file before are dropped.

        Raises:
            OSError: there is no such file.
        """
        video = json_digest(stamp_of(path))
        if video != self._video:
            self._video, self._frames = video, {}
        return video

    def look_up(self, key: str, moments_s: Sequence[float]) -> EncodedFrames | None:
        """The frames known under `key` for those of the moments that are known, or None."""
        known = self._frames.get(key)
        if known is None:
            return None
        places = known.places(moments_s)
        return known.rows(places) if places else None

    def store(self, key: str, frames: EncodedFrames) -> None:
        """Remembers frames under `key`, beside those already known."""
        known = self._frames.pop(key, None)
        self._frames[key] = frames if known is None else EncodedFrames.joined([known, frames])
        while len(self._frames) > MOST_KEYS:
            del self._frames[next(iter(self._frames))]
