"""How many frames and key frames a number of tokens allows."""

from __future__ import annotations

from dataclasses import dataclass

from dynfocus_cli.errors import UsageError

UNBOUNDED = 1 << 30
"""Frames that cost nothing are limited by nothing."""


@dataclass(frozen=True, slots=True)
class FramePrice:
    """What one frame costs, in tokens."""

    key: int
    other: int

    def total(self, frames: int, key_frames: int) -> int:
        """Video tokens of `frames` frames, `key_frames` of them key frames."""
        return self.key * key_frames + self.other * (frames - key_frames)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What fits."""

    events: int
    """L, at most the number of frames."""
    key_frames: int
    """K, at most L."""
    wanted: int
    """What K would be without the limit."""


def most_frames(limit: int, price: FramePrice) -> int:
    """The most frames, one of them a key frame, that `limit` video tokens hold.

    Raises:
        UsageError: not even one key frame fits.
    """
    if limit < price.key:
        raise UsageError(
            f"A budget of {limit} video tokens holds no key frame: give --budget {price.key} or more, or "
            "shorten the question."
        )
    if price.other == 0:
        return UNBOUNDED
    return 1 + (limit - price.key) // price.other


def allow(
    frames: int,
    *,
    prototypes: int,
    key_ratio: float,
    limit: int,
    price: FramePrice,
    every: bool = False,
) -> Allowance:
    """Events and key frames for `frames` sampled frames; key frames give way first.

    Example: 32 frames, L = 16, K/L = 0.25, 40 and 2 tokens a frame: 4 key frames for 216 tokens; with a limit
    of 180 only 3.

    Args:
        every: every frame is wanted as a key frame, an event of its own.

    Raises:
        UsageError: as `most_frames`.
    """
    if every:
        prototypes, key_ratio = frames, 1.0
    if frames > most_frames(limit, price):
        raise UsageError(f"{frames} frames do not fit into {limit} video tokens: lower --frames or --fps.")
    events = min(prototypes, frames)
    wanted = min(max(1, int(key_ratio * events + 0.5)), events)
    affordable = (limit - price.total(frames, 0)) // max(1, price.key - price.other)
    return Allowance(events, min(wanted, affordable), wanted)
