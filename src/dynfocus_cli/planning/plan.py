"""The plan of a run, made before anything is decoded: which moments to sample, and what they may cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynfocus_cli.cce.budget import UNBOUNDED, Allowance, most_frames
from dynfocus_cli.models.memory import LARGEST_BATCH, RunShape
from dynfocus_cli.models.protocol import ModelSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.memory_plan import MemoryPlan, plan_memory
from dynfocus_cli.planning.request import Request
from dynfocus_cli.planning.token_limit import TokenLimit, allow_frames, token_limit
from dynfocus_cli.types import SamplingPlan
from dynfocus_cli.video import Mentions, plan_sampling


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run samples, and what it may spend."""

    request: Request
    sampling: SamplingPlan
    limit: TokenLimit
    """With as many tokens left for subtitles as they can take."""
    allowance: Allowance
    """Events and key frames within that limit."""
    shape: RunShape
    memory_plan: MemoryPlan

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is known before decoding."""
        request = self.request
        return (
            *request.mentions.warnings,
            *request.warnings,
            *self.sampling.warnings,
            *self.memory_plan.warnings,
        )


def plan_run(
    request: Request, model: ModelSpec, options: RunOptions, free: int, memory_plan: MemoryPlan | None = None
) -> RunPlan:
    """The moments to sample within the context, the budget and the memory.

    Args:
        free: bytes beside the weights.
        memory_plan: after memory ran out, the fallback to plan with in place of `free`.

    Raises:
        UsageError: a time past the end, or no room for a single key frame in the context or the budget.
        OutOfMemory: no room for a single frame in memory.
    """
    if memory_plan is None:
        plan = _plan_within(None, request, model, options)
        price = model.price(request.source, plan.shape.frames, options.selection)
        memory_plan = plan_memory(model.memory, plan.shape, free, price)
        if memory_plan.most_tokens is None and memory_plan.most_frames == plan.shape.frames:
            shape = replace(plan.shape, batch=memory_plan.batch)
            return replace(plan, shape=shape, memory_plan=memory_plan)
    return _plan_within(memory_plan, request, model, options)


def _plan_within(
    memory_plan: MemoryPlan | None, request: Request, model: ModelSpec, options: RunOptions
) -> RunPlan:
    """The plan for as much memory as `memory_plan` takes; None: for any amount."""
    source, text_tokens = request.source, request.text_tokens
    most_tokens, at_most = (
        (None, None) if memory_plan is None else (memory_plan.most_tokens, memory_plan.most_frames)
    )
    limit = token_limit(model, source, options, text_tokens, most_tokens)
    sampling = _sample_within(limit.tokens, at_most, request, model, options)
    frames = len(sampling.times_s)
    allowance = allow_frames(model, source, options, frames, limit.tokens)
    price, key_frames = allowance.price, allowance.key_frames
    memory_plan = memory_plan or MemoryPlan(min(LARGEST_BATCH, frames), frames)
    shape = RunShape(
        frames=frames,
        video_tokens=price.total(frames, key_frames),
        text_tokens=price.timestamp_tokens(frames, key_frames)
        + text_tokens
        + options.generation.max_new_tokens,
        batch=memory_plan.batch,
        key_frames=key_frames,
        width=source.width,
        height=source.height,
        stock=options.selection.stock,
    )
    return RunPlan(request, sampling, limit, allowance, shape, memory_plan)


def _sample_within(
    limit: int, at_most: int | None, request: Request, model: ModelSpec, options: RunOptions
) -> SamplingPlan:
    """The moments to sample: `at_most` so many, and no more than `limit` video tokens pay for."""
    defaults, source, selection = model.defaults, request.source, options.selection
    sampling = model.sampling(source, options)
    by_makers = selection.stock and sampling != options.sampling

    def planned(most: int) -> SamplingPlan:
        most = min(sampling.max_frames or defaults.max_frames, most, at_most or most)
        return plan_sampling(
            source,
            replace(sampling, max_frames=most),
            Mentions() if selection.stock else request.mentions,
            default_fps=defaults.fps,
            default_max_frames=defaults.max_frames,
            frames_option="`stock`" if by_makers else None,
        )

    if not selection.stock:
        return planned(most_frames(limit, model.price(source, 2, selection)))
    most_frames(limit, model.price(source, 1, selection), every=True)  # raises where not even one fits
    plan = planned(UNBOUNDED)
    count = len(plan.times_s)
    # The more frames there are, the less each may cost: how many fit is found by trying.
    fitting = next(
        frames
        for frames in range(count, 0, -1)
        if frames == 1 or model.price(source, frames, selection).spent(frames, frames) <= limit
    )
    return plan if fitting == count else planned(fitting)
