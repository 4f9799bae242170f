"""The shots of the sampled part of a video, with the key frames in them: for editors and tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dynfocus_cli.files import Stamp, stamp_of
from dynfocus_cli.moments.shots import Shot, shots
from dynfocus_cli.report.spans import last_moment
from dynfocus_cli.video.timecode import format_timecode

if TYPE_CHECKING:
    from dynfocus_cli.types import FrameEvidence, Inspection, VideoSource


@dataclass(frozen=True, slots=True)
class ShotSpan:
    """A shot, and what the selection made of it."""

    number: int
    """From 1, in time order."""
    shot: Shot
    key_frame: FrameEvidence | None
    """The key frame in it with the highest score; of equals the first."""

    @property
    def start_s(self) -> float:
        """Seconds."""
        return self.shot.start_s

    @property
    def end_s(self) -> float:
        """Seconds."""
        return self.shot.end_s

    @property
    def title(self) -> str:
        """Shot 3, 00:00:04.500, after a fade, key frame 00:00:05.000."""
        parts = [f"Shot {self.number}", format_timecode(self.start_s)]
        if self.shot.transition in ("fade", "dissolve"):
            parts.append(f"after a {self.shot.transition}")
        if self.key_frame is not None:
            parts.append(f"key frame {self.key_frame.timecode}")
        return ", ".join(parts)


def shot_spans(inspection: Inspection) -> tuple[ShotSpan, ...]:
    """The sampled part of the video, shot by shot, without gaps.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    source = inspection.source
    try:
        stamp = stamp_of(source.path)
    except OSError:
        stamp = ()  # it is gone, which is said when it is opened
    found = _shots(source, stamp, inspection.sampling.start_s, last_moment(inspection))
    return tuple(
        ShotSpan(
            number,
            shot,
            max(
                (frame for frame in inspection.key_frames if shot.start_s <= frame.time_s < shot.end_s),
                key=lambda frame: frame.score,
                default=None,
            ),
        )
        for number, shot in enumerate(found, start=1)
    )


@lru_cache(maxsize=1)
def _shots(source: VideoSource, stamp: Stamp, start_s: float, end_s: float) -> tuple[Shot, ...]:
    """Of the latest video: its table and its files show the same shots, for which it is decoded once."""
    return shots(source, start_s, end_s)
