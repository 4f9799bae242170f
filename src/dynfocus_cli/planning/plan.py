"""What a run will look at and spend, decided before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dynfocus_cli.cce.budget import UNBOUNDED, Allowance, FramePrice, allow, most_frames
from dynfocus_cli.errors import UsageError
from dynfocus_cli.models.memory import LARGEST_BATCH, RunShape
from dynfocus_cli.models.protocol import ModelSpec, ScoredQuestion
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.memory_plan import MemoryPlan, plan_memory
from dynfocus_cli.planning.subtitles import most_subtitle_tokens
from dynfocus_cli.types import Option, SamplingPlan, VideoSource
from dynfocus_cli.video import Mentions, Subtitles, find_mentions, find_subtitles, plan_sampling, probe

LOST = ", and details in the rest can be lost"
"""What fewer key frames do to the ground of an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question about a video, before it is known what will be looked at."""

    source: VideoSource
    mentions: Mentions
    subtitles: Subtitles | None
    text: str
    """What the language model is asked, or nothing."""
    text_tokens: int
    """The most that prompt and subtitles can take."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """Video tokens that may be spent, and what keeps it at that."""

    tokens: int
    by: Literal["context", "budget", "memory"]

    def fewer_key_frames(self, allowance: Allowance) -> tuple[str, ...]:
        """A warning where the tokens hold fewer key frames than asked for; of memory another one tells."""
        if allowance.key_frames == allowance.wanted or self.by == "memory":
            return ()
        room = f"has room for only {allowance.key_frames} of {allowance.wanted} key frames"
        if self.by == "budget":
            return (f"--budget {self.tokens} {room}{LOST}: raise it, or sample fewer frames.",)
        return (f"The model's context {room}{LOST}: sample fewer frames, or ask for a shorter answer.",)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run looks at, and what it may spend."""

    sampling: SamplingPlan
    limit: TokenLimit
    """Where subtitles take the most they can."""
    allowance: Allowance
    """Events and key frames for that limit."""
    shape: RunShape
    """What its memory depends on."""
    memory_plan: MemoryPlan

    @property
    def price(self) -> FramePrice:
        """What frames cost."""
        return self.allowance.price


def read_question(
    question: str | None, spec: ModelSpec, options: RunOptions, choices: Sequence[Option]
) -> ScoredQuestion:
    """The question as the model reads it. Raises UsageError for a scorer that it lacks."""
    asked = spec.scorer(question, options.selection.scorer)
    return spec.multiple_choice(asked, choices) if choices else asked


def read_request(video: str, asked: ScoredQuestion, model: ModelSpec, options: RunOptions) -> Request:
    """Probes the video, and finds what the question and the subtitles say.

    Raises:
        VideoUnreadable: the file is no video.
        UsageError: a subtitle file that cannot be read.
    """
    source = probe(video)
    text = asked.text
    mentions = find_mentions(asked.question or "", source.duration_s)
    subtitles, warnings = find_subtitles(source, options.subtitles)
    tokens = model.text_tokens(text) + most_subtitle_tokens(model, text, subtitles)
    return Request(source, mentions, subtitles, text, tokens, warnings)


def plan_run(
    request: Request, model: ModelSpec, options: RunOptions, free: int, memory_plan: MemoryPlan | None = None
) -> RunPlan:
    """The moments to look at, within the context, the budget and the memory.

    Args:
        free: bytes beside the weights.
        memory_plan: what an earlier try learned; None plans with what is free.

    Raises:
        UsageError: a time past the end, or no room for a single key frame in the context or the budget.
        OutOfMemory: no room for a single frame in memory.
    """
    source = request.source
    limit = token_limit(model, source, options, request.text_tokens)
    at_most = None if memory_plan is None else memory_plan.most_frames
    sampling = _sampling(request, model, options, limit.tokens, at_most)
    shape = _shape(request, model, options, limit.tokens, sampling)
    if memory_plan is None:
        price = model.price(source, shape.frames, options.selection)
        memory_plan = plan_memory(model.memory, shape, free, price)
    if memory_plan.most_tokens is not None or memory_plan.most_frames < shape.frames:
        limit = token_limit(model, source, options, request.text_tokens, memory_plan.most_tokens)
        sampling = _sampling(request, model, options, limit.tokens, memory_plan.most_frames)
        shape = _shape(request, model, options, limit.tokens, sampling)
    frames = len(sampling.times_s)
    allowance = _allowance(request, model, options, limit.tokens, frames)
    return RunPlan(sampling, limit, allowance, replace(shape, batch=memory_plan.batch), memory_plan)


def token_limit(
    model: ModelSpec,
    source: VideoSource,
    options: RunOptions,
    prompt_tokens: int,
    memory: int | None = None,
) -> TokenLimit:
    """Video tokens that the context has room for, or `--budget` or the memory if that is less.

    Args:
        memory: video tokens that memory holds, where they are too few.

    Raises:
        UsageError: not even one key frame fits.
    """
    room = model.context - prompt_tokens - options.generation.max_new_tokens
    least = model.price(source, 1, options.selection).thinnest.spent(1, 1)
    if room < least:
        raise UsageError(
            f"The prompt ({prompt_tokens} tokens) and the answer ({options.generation.max_new_tokens}) leave "
            f"{max(0, room)} of {model.context} tokens for the video, and a key frame takes {least}: shorten "
            "the question, or the answer (of `ask` by --max-new-tokens)."
        )
    limit, budget = TokenLimit(room, "context"), options.selection.budget
    if budget is not None and budget < room:
        limit = TokenLimit(budget, "budget")
    if memory is not None and memory < limit.tokens:
        limit = TokenLimit(memory, "memory")
    return limit


def _sampling(
    request: Request, model: ModelSpec, options: RunOptions, limit: int, at_most: int | None
) -> SamplingPlan:
    defaults, source = model.defaults, request.source
    sampling, selection = model.sampling(source, options), options.selection
    by_makers = selection.stock and sampling != options.sampling

    def planned(most: int) -> SamplingPlan:
        wanted = sampling.max_frames or defaults.max_frames
        return plan_sampling(
            source,
            replace(sampling, max_frames=min(wanted, most, at_most or most)),
            Mentions() if selection.stock else request.mentions,
            default_fps=defaults.fps,
            default_max_frames=defaults.max_frames,
            asked_by="--stock" if by_makers else None,
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


def _allowance(request: Request, model: ModelSpec, options: RunOptions, limit: int, frames: int) -> Allowance:
    """Events and key frames for so many frames."""
    defaults, wanted = model.defaults, options.selection
    return allow(
        frames,
        prototypes=wanted.prototypes or defaults.prototypes,
        key_ratio=wanted.key_ratio or defaults.key_ratio,
        limit=limit,
        price=model.price(request.source, frames, wanted),
        every=wanted.stock,
    )


def _shape(
    request: Request, model: ModelSpec, options: RunOptions, limit: int, sampling: SamplingPlan
) -> RunShape:
    frames = len(sampling.times_s)
    allowance = _allowance(request, model, options, limit, frames)
    price = allowance.price
    return RunShape(
        frames=frames,
        video_tokens=price.total(frames, allowance.key_frames),
        text_tokens=price.timestamp_tokens(frames, allowance.key_frames)
        + request.text_tokens
        + options.generation.max_new_tokens,
        batch=min(LARGEST_BATCH, frames),
        key_frames=allowance.key_frames,
        width=request.source.width,
        height=request.source.height,
        stock=options.selection.stock,
    )
