"""After encoding: what the frames that are on screen at the sampled moments are given of the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.models.protocol import ModelSpec, ScoredQuestion
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.focus import focus_frames, focus_left_out
from dynfocus_cli.planning.plan import RunPlan
from dynfocus_cli.planning.subtitles import fit_subtitles, prompt_tokens
from dynfocus_cli.planning.token_limit import allow_frames, token_limit
from dynfocus_cli.types import SubtitleUse


@dataclass(frozen=True, slots=True)
class Allocation:
    """Subtitles in the prompt, and how many frames may be key frames beside them."""

    question: ScoredQuestion
    """With the subtitles in its prompt, where somebody else than the model words that."""
    subtitles: SubtitleUse | None
    allowance: Allowance
    pinned: tuple[int, ...]
    """Frames at named moments: key frames whatever their score."""
    warnings: tuple[str, ...]


def allocate(
    plan: RunPlan,
    model: ModelSpec,
    options: RunOptions,
    moments_s: Sequence[float],
    times_s: Sequence[float],
) -> Allocation:
    """Subtitles at the sampled `moments_s`, and key frames among the distinct frames at `times_s`: fewer than
    the moments where one stays on screen."""
    request, sampling = plan.request, plan.sampling
    question = request.question
    subtitles = fit_subtitles(model, question, request.subtitles, moments_s)
    lines = None if subtitles is None else subtitles.lines
    tokens = prompt_tokens(model, question, lines)
    limit = token_limit(model, request.source, options, tokens, plan.memory_plan.most_tokens)
    allowance = allow_frames(model, request.source, options, len(times_s), limit.tokens)
    pinned: tuple[int, ...] = ()
    selection = options.selection
    if model.defaults.pin_focus and not selection.stock and selection.frame_selector != "even":
        pinned = focus_frames(sampling, options.sampling.at_s, times_s, allowance.key_frames)
    warnings = (*limit.warnings(allowance), *focus_left_out(sampling, times_s, pinned, allowance))
    return Allocation(question.with_subtitles(lines), subtitles, allowance, pinned, warnings)
