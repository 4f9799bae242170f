"""What a run does without where memory is short: planned ahead, and once more where it runs out after all.

What costs time comes first (a smaller batch in the vision encoder, then its weights out of the way), and what
costs evidence last (video tokens, then frames).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.errors import OutOfMemory
from dynfocus_cli.models.memory import Memory, RunShape, find_room

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
    told: tuple[str, ...] = ()
    """A warning for each thing that is done without."""

    def without(self, why: str, what: str, **changes: Any) -> MemoryPlan:
        """The same with something less, and a warning of it."""
        return replace(self, told=(*self.told, f"{why}: {what}."), **changes)


def plan_memory(memory: Memory, wanted: RunShape, free: int, price: FramePrice) -> MemoryPlan:
    """What `free` bytes beside the weights allow of the run that is wanted.

    Args:
        price: what frames cost in video tokens.

    Raises:
        OutOfMemory: not even one frame fits.
    """
    memory_plan = MemoryPlan(wanted.batch, wanted.frames)
    room = int(HEADROOM * free)
    why = f"Memory is short ({_gib(free)} free beside the weights)"
    whole = find_room(memory, wanted, room, price)
    swapped = find_room(memory, wanted, room, price, tower_away=True)
    # Weights that make way help where another stage than encoding is the greedy one.
    if swapped is not None and (whole is None or whole.holds_less_than(swapped)):
        whole = swapped
        memory_plan = memory_plan.without(why, SWAPPED.format(device=memory.device.upper()), tower="swapped")
    if whole is None:
        need = memory.need(replace(wanted, frames=1, video_tokens=price.key, batch=1))
        raise OutOfMemory(
            f"There is not enough memory for a single frame: {_gib(need.beside)} are needed beside the "
            f"weights, and {_gib(max(0, free))} are free. Take a smaller or quantized model, or --device cpu."
        )
    if whole.batch < wanted.batch:
        memory_plan = memory_plan.without(why, SMALLER_BATCH.format(batch=whole.batch), batch=whole.batch)
    if whole.video_tokens < wanted.video_tokens:
        told = FEWER_TOKENS.format(tokens=whole.video_tokens)
        memory_plan = memory_plan.without(why, told, most_tokens=whole.limit)
    if whole.frames < wanted.frames:
        memory_plan = memory_plan.without(
            why, FEWER_FRAMES.format(frames=whole.frames), most_frames=whole.frames
        )
    return memory_plan


def next_fallback(memory_plan: MemoryPlan, stage: str, device: str) -> MemoryPlan | None:
    """The next thing to do without after memory ran out in `stage`; None where there is nothing left.

    Args:
        stage: `decode`, `encode`, `select` or `generate`.
        device: `cpu` or `cuda`, the network's.
    """
    why = f"Memory ran out (stage: {stage})"
    encoding = stage in ("decode", "encode")
    if encoding and memory_plan.batch > 1:
        batch = max(1, memory_plan.batch // 4)
        return memory_plan.without(why, SMALLER_BATCH.format(batch=batch), batch=batch)
    if device == "cuda" and encoding and memory_plan.tower != "offloaded":
        return memory_plan.without(why, OFFLOADED, tower="offloaded")
    if device == "cuda" and memory_plan.tower == "resident":
        return memory_plan.without(why, SWAPPED.format(device="GPU"), tower="swapped")
    if memory_plan.most_frames > 1:
        frames = memory_plan.most_frames // 2
        return memory_plan.without(why, FEWER_FRAMES.format(frames=frames), most_frames=frames)
    return None


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
