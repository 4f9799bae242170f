"""How many frames and key frames a number of tokens allows."""

from __future__ import annotations

from dataclasses import dataclass

from dynfocus_cli.errors import UsageError

ROD_TOKENS = 2
"""Every frame's share (DynFocus, CCE)."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What fits: `cone_tokens * key_frames + ROD_TOKENS * frames` video tokens at most."""

    events: int
    """L, at most the number of frames."""
    key_frames: int
    """K, at most L."""
    wanted: int
    """What K would be without the limit."""


def most_frames(limit: int, cone_tokens: int) -> int:
    """The most frames, one of them a key frame, that `limit` video tokens hold.

    Raises:
        UsageError: not even one key frame fits.
    """
    frames = (limit - cone_tokens) // ROD_TOKENS
    if frames < 1:
        raise UsageError(
            f"A budget of {limit} video tokens holds no key frame: give --budget {cone_tokens + ROD_TOKENS} "
            "or more, or shorten the question."
        )
    return frames


def allow(frames: int, *, prototypes: int, key_ratio: float, limit: int, cone_tokens: int) -> Allowance:
    """Events and key frames for `frames` sampled frames; key frames give way first.

    Example: 32 frames, L = 16, K/L = 0.25, 38 cones: 4 key frames for 216 tokens; with a limit of 180 only 3.

    Raises:
        UsageError: as `most_frames`.
    """
    if frames > most_frames(limit, cone_tokens):
        raise UsageError(f"{frames} frames do not fit into {limit} video tokens: lower --frames or --fps.")
    events = min(prototypes, frames)
    wanted = min(max(1, int(key_ratio * events + 0.5)), events)
    affordable = (limit - ROD_TOKENS * frames) // cone_tokens
    return Allowance(events, min(wanted, affordable), wanted)
