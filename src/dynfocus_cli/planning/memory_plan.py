"""Third and fourth step of planning: what a run does without where memory is short, and where it runs out.

What costs time comes first (a smaller batch in the vision encoder, then its weights out of the way), and what
costs evidence last (video tokens, then frames).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.errors import OutOfMemory
from dynfocus_cli.models.memory import MemoryModel, RunShape

Tower = Literal["resident", "swapped", "offloaded"]
"""Where the vision encoder is: on the network's device; there only while it encodes; on the CPU for good."""

HEADROOM = 0.95
"""Share of the free memory that is planned with: predictions are good to a few percent."""

SMALLER_BATCH = "frames are encoded {batch} at a time"
SWAPPED = "the vision encoder leaves the {device} while the answer is written"
OFFLOADED = "the vision encoder runs on the CPU, which is slow"
FEWER_FRAMES = "only {frames} frames are sampled"
FEWER_TOKENS = "the video is given at most {tokens} tokens"


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a run is kept within the memory there is."""

    batch: int
    """Frames that are encoded at a time."""
    most_frames: int
    most_tokens: int | None = None
    """Of a video and the text around its frames, where memory holds fewer than the context and the budget."""
    tower: Tower = "resident"
    warnings: tuple[str, ...] = ()
    """One for each thing that is done without."""

    def without(self, why: str, what: str, **changes: Any) -> MemoryPlan:
        """The same plan with less, and a warning that says so."""
        return replace(self, warnings=(*self.warnings, f"{why}: {what}."), **changes)


def plan_memory(memory: MemoryModel, shape: RunShape, free: int, price: FramePrice) -> MemoryPlan:
    """How much of a run of that shape `free` bytes beside the weights allow.

    Args:
        price: what frames cost in video tokens.

    Raises:
        OutOfMemory: not even one frame fits.
    """
    plan = MemoryPlan(shape.batch, shape.frames)
    usable = int(HEADROOM * free)
    why = f"Memory is short ({_gib(free)} free beside the weights)"
    room = find_room(memory, shape, usable, price)
    swapped = find_room(memory, shape, usable, price, tower_away=True)
    # Weights that make way help where another stage than encoding is the greedy one.
    if swapped is not None and (room is None or room.holds_less_than(swapped)):
        room = swapped
        plan = plan.without(why, SWAPPED.format(device=memory.device.upper()), tower="swapped")
    if room is None:
        need = memory.need(replace(shape, frames=1, video_tokens=price.key, batch=1))
        raise OutOfMemory(
            f"There is not enough memory for a single frame: {_gib(need.beside)} are needed beside the "
            f"weights, and {_gib(max(0, free))} are free. Take a smaller or quantized model, or `device=cpu`."
        )
    if room.batch < shape.batch:
        plan = plan.without(why, SMALLER_BATCH.format(batch=room.batch), batch=room.batch)
    if room.video_tokens < shape.video_tokens:
        plan = plan.without(why, FEWER_TOKENS.format(tokens=room.video_tokens), most_tokens=room.limit)
    if room.frames < shape.frames:
        plan = plan.without(why, FEWER_FRAMES.format(frames=room.frames), most_frames=room.frames)
    return plan


def next_fallback(plan: MemoryPlan, stage: str, device: str) -> MemoryPlan | None:
    """The first of a list of fallbacks that still changes `plan`, after memory ran out in `stage`; None where
    there is none left.

    Args:
        stage: `decode`, `encode`, `select` or `generate`.
        device: `cpu` or `cuda`, the network's.
    """
    why = f"Memory ran out (stage: {stage})"
    encoding, on_gpu = stage in ("decode", "encode"), device == "cuda"
    batch, frames = max(1, plan.batch // 4), plan.most_frames // 2
    fallbacks: tuple[tuple[bool, str, dict[str, Any]], ...] = (
        (encoding and plan.batch > 1, SMALLER_BATCH.format(batch=batch), {"batch": batch}),
        (encoding and on_gpu and plan.tower != "offloaded", OFFLOADED, {"tower": "offloaded"}),
        (on_gpu and plan.tower == "resident", SWAPPED.format(device="GPU"), {"tower": "swapped"}),
        (frames > 0, FEWER_FRAMES.format(frames=frames), {"most_frames": frames}),
    )
    return next((plan.without(why, what, **change) for helps, what, change in fallbacks if helps), None)


@dataclass(frozen=True, slots=True)
class Room:
    """What fits beside the weights."""

    frames: int
    video_tokens: int
    batch: int
    limit: int
    """Of the video's tokens and the text around its frames together."""

    def holds_less_than(self, other: Room) -> bool:
        """Whether this plan has fewer frames or video tokens than `other`."""
        return self.frames < other.frames or self.video_tokens < other.video_tokens


def find_room(
    memory: MemoryModel, shape: RunShape, free: int, price: FramePrice, *, tower_away: bool = False
) -> Room | None:
    """The most of a run of that shape that `free` bytes hold; None where not even one frame fits.

    A smaller batch costs time alone, so it comes first; then key frames, down to one, and then frames.

    Args:
        free: bytes beside the weights.
        price: what frames cost in video tokens.
        tower_away: as `MemoryModel.need` takes it; on a CPU there is nowhere else to be.
    """
    if tower_away and memory.device == "cpu":
        return None
    planned = price.timestamp_tokens(shape.frames, shape.key_frames)
    thin = price.thinnest

    def timestamps(frames: int, video_tokens: int) -> int:
        """Text around as many key frames as the tokens can hold, and around the others."""
        more = thin.key - thin.other
        key_frames = 1 + max(0, video_tokens - thin.total(frames, 1)) // more if more > 0 else frames
        return min(planned, price.timestamp_tokens(frames, min(key_frames, shape.key_frames, frames)))

    def fits(frames: int, video_tokens: int, batch: int = 1) -> bool:
        text = shape.text_tokens - planned + timestamps(frames, video_tokens)
        part = replace(shape, frames=frames, video_tokens=video_tokens, text_tokens=text, batch=batch)
        return memory.need(part, tower_away=tower_away).beside <= free

    frames = _most(shape.frames, lambda count: fits(count, price.total(count, 1)))
    if frames == 0:
        return None
    least = min(price.total(frames, 1), shape.video_tokens)
    tokens = least + _most(shape.video_tokens - least, lambda more: fits(frames, least + more))
    batch = shape.batch
    while batch > 1 and not fits(frames, tokens, batch):
        batch //= 2
    return Room(frames, tokens, batch, tokens + timestamps(frames, tokens))


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to `limit` that fits, or 0; what fits for a number fits for a smaller one."""
    if limit > 0 and fits(limit):
        return limit
    fewest, most = 0, limit
    while fewest < most:
        middle = (fewest + most + 1) // 2
        if fits(middle):
            fewest = middle
        else:
            most = middle - 1
    return fewest


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
