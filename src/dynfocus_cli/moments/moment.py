"""What a search for a moment finds: frozen, validated, free of torch."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dynfocus_cli.types import ModelInfo, Timings, VideoSource

Origin = Literal["picture", "words"]
"""What a moment was found in: what the frames show, or the subtitles on screen."""

CLIP_S = 2.0
"""QVHighlights scores a video in clips of so many seconds (Lei et al., NeurIPS 2021)."""


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

    def clip_scores(self, duration_s: float, clip_s: float = CLIP_S) -> tuple[float, ...]:
        """The score of each clip of `clip_s` seconds of a video: that of its best frame, or of the nearest
        one where none was sampled in it.

        times 0 1 5, scores .1 .9 .3, of 6 s in clips of 2 s -> .9, .9 (of 1 s), .3
        """
        if not self.times_s:
            return ()
        clips = []
        for number in range(max(1, math.ceil(duration_s / clip_s - 1e-6))):
            first = bisect_left(self.times_s, number * clip_s)
            last = bisect_left(self.times_s, (number + 1) * clip_s)
            if first < last:
                clips.append(max(self.scores[first:last]))
            else:
                middle = (number + 0.5) * clip_s
                near = range(max(0, first - 1), min(len(self.times_s), first + 1))
                clips.append(self.scores[min(near, key=lambda place: abs(self.times_s[place] - middle))])
        return tuple(clips)


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
class Threshold:
    """From which probability on something counts as found."""

    value: float
    """0 to 1."""
    origin: Literal["measured", "unmeasured", "option"]
    """Measured on videos for this model, or the model's without a measurement, or what the user asked for."""


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
    timings_s: Timings | None = None
    threshold: Threshold | None = None
    """None where nobody said."""

    @property
    def searched_s(self) -> tuple[float, float]:
        """From when to when the video was looked at, seconds: the last sampled frame counts for as long as
        the others are apart, and not beyond the end."""
        times_s, length_s = self.curve.times_s, self.source.duration_s
        if len(times_s) < 2:
            return (times_s[0] if times_s else 0.0), max(length_s, *times_s, 1e-3)
        step_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
        return times_s[0], max(min(length_s, times_s[-1] + step_s), times_s[-1] + 1e-3)


@dataclass(frozen=True, slots=True)
class Screening:
    """The search of the index that comes before that of each video."""

    passed_over: Mapping[str, int]
    """Videos that need not be searched, since no frame of theirs reaches the threshold -> their frames."""
    threshold: Threshold
    timings_s: Timings

    def without(self, videos: Iterable[str]) -> Screening:
        """The same, but for these videos: they failed after all."""
        failed = frozenset(videos)
        kept = {video: frames for video, frames in self.passed_over.items() if video not in failed}
        return replace(self, passed_over=kept)


@dataclass(frozen=True, slots=True)
class VideoFailure:
    """A video that could not be searched."""

    video: str
    error: Exception


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
    failures: tuple[VideoFailure, ...] = ()
    """Of several videos, those that could not be searched."""
    screening: Screening | None = None
    """Of several videos, those that need not be searched themselves; None where no index was asked first."""

    @property
    def count(self) -> int:
        """Of videos that were searched, themselves or by their index."""
        return len(self.videos) + (0 if self.screening is None else len(self.screening.passed_over))

    @property
    def frames(self) -> int:
        """Of all videos, how many were looked at."""
        passed_over = 0 if self.screening is None else sum(self.screening.passed_over.values())
        return passed_over + sum(len(video.curve.times_s) for video in self.videos)

    @property
    def threshold(self) -> Threshold | None:
        """From which probability on something counted as found, the same for all videos of a search."""
        screened = None if self.screening is None else self.screening.threshold
        return next((video.threshold for video in self.videos), screened)

    @property
    def timed(self) -> tuple[Timings, ...]:
        """What the search of each video took, and that of the index."""
        first = None if self.screening is None else self.screening.timings_s
        timings = (first, *(video.timings_s for video in self.videos))
        return tuple(each for each in timings if each is not None)

    @property
    def ranked(self) -> tuple[Moment, ...]:
        """The best of all videos, at most `top`; of equals the earlier."""
        found = (moment for video in self.videos for moment in video.moments)
        return tuple(sorted(found, key=lambda moment: moment.rank)[: self.top])
