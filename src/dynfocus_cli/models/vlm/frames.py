"""What the language model is given of a video's frames, part by part."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Grid:
    """The tokens of one frame that keeps them all."""

    rows: int
    columns: int
    extra: int = 0
    """Tokens that belong to no place of the picture, such as a class token; they come first."""

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.rows * self.columns + self.extra


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames with one time stamp: a key frame, or a run of others."""

    first: int
    """Number of its first frame among the sampled ones, from 0."""
    frames: int
    times_s: tuple[float, ...]
    """Of each token's frame."""
    until_s: float
    """Of its last frame."""
    rows: tuple[float, ...]
    """Of each token, where it lies in the frame's grid; the middle for what was averaged over the frame."""
    columns: tuple[float, ...]
    is_run: bool
    """Of frames that are no key frames."""

    @property
    def tokens(self) -> int:
        """How many it has."""
        return len(self.times_s)

    @property
    def time_s(self) -> float:
        """When it begins."""
        return self.times_s[0]


@dataclass(frozen=True, slots=True)
class VideoTokens:
    """All parts of a video in time order."""

    parts: tuple[Part, ...]
    grid: Grid
    embeddings: Tensor
    """(M, W): as the family projects them; W is D_l, or more where a family feeds later layers too."""
    duration_s: float
    """Of the video."""
    frames: int
    """Those that have tokens: T, or with no rods K."""
