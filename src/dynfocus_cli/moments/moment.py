"""What a search for a moment finds: frozen, validated, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dynfocus_cli.types import ModelInfo, VideoSource

Origin = Literal["picture", "words"]
"""What a moment was found in: what the frames show, or the subtitles on screen."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How well each sampled frame of a video fits a caption."""

    times_s: tuple[float, ...]
    """The sampled moments, strictly increasing, in seconds."""
    scores: tuple[float, ...]
    """A probability each, 0 to 1."""

    def __post_init__(self) -> None:
        if len(self.times_s) != len(self.scores):
            raise ValueError(
                f"one score a frame is needed, got {len(self.times_s)} times, {len(self.scores)} scores"
            )


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a video in which something happens."""

    video: str
    """The file, as the user gave it."""
    start_s: float
    end_s: float
    score: float
    """How well its best frame fits the caption, 0 to 1."""
    best_s: float
    """When that frame is on screen."""
    tolerance_s: float
    """How far off the borders may be, seconds: one frame where they were refined, else half a step."""
    origins: tuple[Origin, ...] = ("picture",)
    log_odds: float | None = None
    """Of "yes", by the language model that was asked whether it is there; None where none was asked."""
    text: str = ""
    """The words on screen that matched; empty where none did."""

    def __post_init__(self) -> None:
        if not self.start_s < self.end_s:
            raise ValueError(f"a moment ends after it starts, got {self.start_s} to {self.end_s} s")

    @property
    def length_s(self) -> float:
        """Seconds."""
        return self.end_s - self.start_s

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What moments are ordered by: those that the language model was asked about come first, by its
        log-odds, and then the others by their scores."""
        return self.log_odds is None, -(self.log_odds or 0.0), -self.score


@dataclass(frozen=True, slots=True)
class VideoMoments:
    """The moments of one video."""

    source: VideoSource
    moments: tuple[Moment, ...]
    """The best first; empty where what was looked for is not there."""
    curve: Curve
    warnings: tuple[str, ...] = ()
    in_domain: bool | None = None
    """Whether video and text are such as the model was trained on; None where it does not say."""
    frames_refined: int = 0
    """Frames that were decoded beside the sampled ones, to find the borders."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What a search found in one video or in many (`dynfocus.moments/1`)."""

    query: str
    """As the user gave it."""
    caption: str
    """What a frame would show, which the frames were compared with."""
    model: ModelInfo
    videos: tuple[VideoMoments, ...]
    top: int
    """The most moments that are reported."""
    warnings: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[Moment, ...]:
        """The best of all videos, at most `top`; of equals the earlier."""
        found = (moment for video in self.videos for moment in video.moments)
        return tuple(sorted(found, key=lambda moment: moment.rank)[: self.top])
