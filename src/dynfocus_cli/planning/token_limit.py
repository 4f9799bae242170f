"""Second step of planning: how many video tokens there may be, and how many key frames that pays for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from dynfocus_cli.cce.budget import Allowance, allow
from dynfocus_cli.errors import UsageError
from dynfocus_cli.models.protocol import ModelSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.types import VideoSource

LOST = ", and details in the rest can be lost"


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """The most video tokens, and what sets that limit."""

    tokens: int
    by: Literal["context", "budget", "memory"]

    def warnings(self, allowance: Allowance) -> tuple[str, ...]:
        """A warning where there are fewer key frames than asked for. The memory plan has its own."""
        if allowance.key_frames == allowance.unlimited or self.by == "memory":
            return ()
        room = f"has room for only {allowance.key_frames} of {allowance.unlimited} key frames"
        if self.by == "budget":
            return (f"`budget={self.tokens}` {room}{LOST}: raise it, or sample fewer frames.",)
        return (f"The model's context {room}{LOST}: sample fewer frames, or ask for a shorter answer.",)


def token_limit(
    model: ModelSpec, source: VideoSource, options: RunOptions, prompt: int, memory: int | None
) -> TokenLimit:
    """The smallest of the room in the context, `budget`, and what memory holds.

    Args:
        prompt: text tokens beside the video and the answer.
        memory: video tokens that fit into memory, where they are limited.

    Raises:
        UsageError: not even one key frame fits into the context.
    """
    answer = options.generation.max_new_tokens
    room = model.context - prompt - answer
    least = model.price(source, 1, options.selection).thinnest.spent(1, 1)
    if room < least:
        raise UsageError(
            f"The prompt ({prompt} tokens) and the answer ({answer}) leave {max(0, room)} of {model.context} "
            f"tokens for the video, and a key frame takes {least}: shorten the question, or the answer (of "
            "`ask` by `max_new_tokens`)."
        )
    limit, budget = TokenLimit(room, "context"), options.selection.budget
    if budget is not None and budget < room:
        limit = TokenLimit(budget, "budget")
    if memory is not None and memory < limit.tokens:
        limit = TokenLimit(memory, "memory")
    return limit


def allow_frames(
    model: ModelSpec, source: VideoSource, options: RunOptions, frames: int, limit: int
) -> Allowance:
    """Events and key frames among `frames` sampled ones, by the options or else the model's defaults.

    Raises:
        UsageError: the frames do not fit into `limit` video tokens.
    """
    defaults, selection = model.defaults, options.selection
    allowance = allow(
        frames,
        prototypes=selection.prototypes or defaults.prototypes,
        key_ratio=selection.key_ratio or defaults.key_ratio,
        limit=limit,
        price=model.price(source, frames, selection),
        every=selection.stock,
    )
    by_frame = selection.frame_selector != "events"  # each frame is an event of its own
    return replace(allowance, events=frames) if by_frame else allowance
