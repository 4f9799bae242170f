"""How many frames and key frames a number of tokens allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynfocus_cli.errors import UsageError

UNBOUNDED = 1 << 30
"""Frames that cost nothing are limited by nothing."""


@dataclass(frozen=True, slots=True)
class FramePrice:
    """What one frame costs, in tokens."""

    key: int
    other: int
    least: int | None = None
    """The fewest tokens that a key frame may be thinned to where there are not enough; None: it may not."""
    timestamp: int = 0
    """Text around a key frame, or around a run of others that have tokens, that says when it is: at most."""
    together: int = 1
    """Frames that share the tokens of one, as the makers of some models pair them."""

    @property
    def thinnest(self) -> FramePrice:
        """The price with key frames as thin as may be."""
        return replace(self, key=self.key if self.least is None else self.least)

    def total(self, frames: int, key_frames: int) -> int:
        """Video tokens of `frames` frames, `key_frames` of them key frames."""
        return self.key * -(-key_frames // self.together) + self.other * (frames - key_frames)

    def timestamp_tokens(self, frames: int, key_frames: int) -> int:
        """The most that the text around them takes: of each key frame, and of each run between two."""
        runs = min(frames - key_frames, key_frames + 1) if self.other else 0
        return self.timestamp * (-(-key_frames // self.together) + runs)

    def spent(self, frames: int, key_frames: int) -> int:
        """All that a video takes of the context, at most."""
        return self.total(frames, key_frames) + self.timestamp_tokens(frames, key_frames)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What fits."""

    events: int
    """L, at most the number of frames."""
    key_frames: int
    """K, at most L."""
    unlimited: int
    """What K would be without a limit on tokens."""
    price: FramePrice
    """What frames cost then; key frames may have been thinned."""


def most_frames(limit: int, price: FramePrice, every: bool = False) -> int:
    """The most frames, one of them a key frame or every one, that `limit` video tokens hold.

    Raises:
        UsageError: not even one key frame fits.
    """
    thin = price.thinnest
    least = thin.spent(1, 1)
    if limit < least:
        raise UsageError(
            f"A budget of {limit} video tokens holds no key frame: give `budget={least}` or more, or "
            "shorten the question."
        )
    if every:
        return price.together * max(1, limit // (price.key + price.timestamp))
    if thin.other == 0:
        return UNBOUNDED
    around_run = 1 + (limit - thin.key - 3 * thin.timestamp) // thin.other
    if around_run > 2:
        return around_run
    return 2 if thin.spent(2, 1) <= limit else 1


def allow(
    frames: int,
    *,
    prototypes: int,
    key_ratio: float,
    limit: int,
    price: FramePrice,
    every: bool = False,
) -> Allowance:
    """Events and key frames for `frames` sampled frames. Where the tokens are few, key frames are thinned as
    far as their price lets them, and then there are fewer.

    Example: 32 frames, L = 16, K/L = 0.25, 40 and 2 tokens a frame: 4 key frames for 216 tokens; with a limit
    of 180 only 3.

    Args:
        every: every frame is wanted as a key frame, an event of its own.

    Raises:
        UsageError: as `most_frames`.
    """
    if frames > most_frames(limit, price, every):
        raise UsageError(f"{frames} frames do not fit into {limit} video tokens: lower `frames` or `fps`.")
    if every:
        return Allowance(frames, frames, frames, price)
    events = min(prototypes, frames)
    unlimited = min(max(1, int(key_ratio * events + 0.5)), events)
    thin = price.thinnest
    key_frames = unlimited
    while key_frames > 1 and thin.spent(frames, key_frames) > limit:
        key_frames -= 1
    spare = limit - price.other * (frames - key_frames) - price.timestamp_tokens(frames, key_frames)
    key = max(thin.key, min(price.key, spare // key_frames))
    return Allowance(events, key_frames, unlimited, price if price.least is None else replace(price, key=key))
