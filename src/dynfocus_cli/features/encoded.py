"""A video's sampled frames: their times, and their patch features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from dynfocus_cli.types import Condition


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """Sampled frames with their patch features, which depend on no question."""

    times_s: tuple[float, ...]
    """The sampled moments, strictly increasing, in seconds."""
    pts_s: tuple[float, ...]
    """Presentation time of the frame on screen at each, likewise."""
    conditions: tuple[Condition, ...]
    patches: Tensor
    """(T, N, D_v), on the CPU, in the encoder's dtype."""

    def __post_init__(self) -> None:
        lengths = {len(self.times_s), len(self.pts_s), len(self.conditions), len(self.patches)}
        if len(lengths) != 1:
            raise ValueError(f"one row a moment is needed, got {sorted(lengths)} rows")

    def places(self, moments_s: Sequence[float]) -> list[int]:
        """Where those of the moments stand that are among these frames."""
        moments = set(moments_s)
        return [place for place, time_s in enumerate(self.times_s) if time_s in moments]

    def rows(self, places: Sequence[int]) -> EncodedFrames:
        """The frames at `places`, in that order."""
        return EncodedFrames(
            tuple(self.times_s[place] for place in places),
            tuple(self.pts_s[place] for place in places),
            tuple(self.conditions[place] for place in places),
            self.patches[list(places)],
        )

    def distinct(self) -> EncodedFrames:
        """Without moments at which the frame of the moment before is still on screen."""
        places = [place for place, pts in enumerate(self.pts_s) if place == 0 or pts != self.pts_s[place - 1]]
        return self if len(places) == len(self.pts_s) else self.rows(places)

    @staticmethod
    def joined(parts: Sequence[EncodedFrames]) -> EncodedFrames:
        """The frames of all parts, which share no moment, in time order."""
        import torch

        if len(parts) == 1:
            return parts[0]
        together = EncodedFrames(
            tuple(time_s for part in parts for time_s in part.times_s),
            tuple(pts_s for part in parts for pts_s in part.pts_s),
            tuple(condition for part in parts for condition in part.conditions),
            torch.cat([part.patches for part in parts]),
        )
        return together.rows(sorted(range(len(together.times_s)), key=together.times_s.__getitem__))
