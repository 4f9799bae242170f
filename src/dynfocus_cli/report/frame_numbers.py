"""Which frames of a video a stretch of time has, for formats that count frames at any rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dynfocus_cli.report.frame_codes import FrameCodes
from dynfocus_cli.report.spans import TitledSpan
from dynfocus_cli.types import VideoSource


@dataclass(frozen=True, slots=True)
class FrameNumbers:
    """The frames of a video, counted from the time code that the file gives its first one."""

    rate: Fraction
    """Frames a second: 30000/1001 where that is meant."""
    first: int
    """The number of the first frame."""
    count: int
    """Frames of the whole video."""
    drop: bool
    """Whether the file's time code leaves labels out."""

    @classmethod
    def of(cls, source: VideoSource) -> FrameNumbers:
        """Those of a video; where frames come unevenly, by its average rate."""
        rate = Fraction(source.fps if source.fps > 0 else 1.0).limit_denominator(1001)
        codes = FrameCodes.of(source.fps, source.timecode)
        count = max(1, round(source.duration_s * rate))
        return cls(rate, codes.start * codes.group, count, codes.drop)

    def laid(self, spans: Sequence[TitledSpan]) -> Iterator[tuple[int, int]]:
        """The first frame of each span and the one after its last, counted from the first of the video; what
        is shorter than a frame still has one."""
        for span in spans:
            end = max(round(span.end_s * self.rate), 1)
            yield min(round(span.start_s * self.rate), end - 1), end
