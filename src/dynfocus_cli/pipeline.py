"""The spine: the whole way from a video file to an answer with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dynfocus_cli.budget import Allowance, allow, most_frames
from dynfocus_cli.checkpoints.loading import LoadedModel
from dynfocus_cli.errors import UsageError
from dynfocus_cli.evidence import Asked, Chosen, Seen, health_of, report
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.model.generation import generate
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.subtitling import fit_subtitles, most_subtitle_tokens
from dynfocus_cli.types import (
    Answer,
    DecodingOptions,
    GenerationOptions,
    Inspection,
    SamplingOptions,
    SamplingPlan,
    SelectionOptions,
    check_question,
)
from dynfocus_cli.video import find_mentions, find_subtitles, plan_sampling, probe


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything that a run can be asked for beyond video, question and model."""

    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    subtitles: str = "off"
    """`off`, `auto`, or the path of a subtitle file."""


UNTRAINED_SCORE = "{name} has no trained score network: its events are ranked by {how} (--scorer {scorer})."
SCORED_BY = {
    "attention": "the Q-Former's attention from the question to the frames",
    "density": "how dense and how distinct each is",
}


def ask(video: str, question: str, model: LoadedModel, options: RunOptions, progress: Progress) -> Answer:
    """Answers `question` about the file `video`.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end, a budget too small, a scorer that the model lacks, or a question that
            is empty, too long or no text.
    """
    check_question(question)
    watch = Stopwatch()
    asked = _read(question, model, options)
    seen = _see(video, question, model, options, progress, watch)
    chosen = _choose(seen, asked, model, options, progress, watch)
    with watch("generate"), torch.inference_mode():
        progress.stage("generate", None)
        tokens, _ = model.network.video_tokens(
            chosen.features,
            chosen.selection,
            asked.encoded,
            seen.times_s.unsqueeze(0),
            chosen.pinned,
        )
        generated = generate(model.network, model.prompt, tokens[0], question, seen.said, options.generation)
    evidence = report(seen, chosen, asked, model, options.generation.seed, watch.timings(), len(generated))
    return Answer(model.prompt.read(generated), evidence)


def inspect(
    video: str, question: str | None, model: LoadedModel, options: RunOptions, progress: Progress
) -> Inspection:
    """The selection that `ask` would make, and its cost, without an answer. Raises as `ask` does."""
    if question is not None:
        check_question(question)
    watch = Stopwatch()
    asked = _read(question, model, options)
    seen = _see(video, question, model, options, progress, watch)
    chosen = _choose(seen, asked, model, options, progress, watch)
    return report(seen, chosen, asked, model, options.generation.seed, watch.timings(), generated=0)


def _read(question: str | None, model: LoadedModel, options: RunOptions) -> Asked:
    """The question as the network reads it, and the scorer that runs."""
    config, name = model.config, model.info.name
    wanted, without = options.selection.scorer, config.scorer_without_question
    if wanted in ("question", "attention") and question is None:
        raise UsageError(f"--scorer {wanted} needs a question: give one with --question.")
    if wanted == "question" and not config.question_aware_score:
        raise UsageError(f"{name} has no question-aware score: take --scorer {without} or attention.")
    if wanted == "visual" and not config.score_network:
        raise UsageError(f"{name} has no score network: take --scorer density or attention.")
    if wanted == "density" and config.temporal_clustering != "dpc_knn":
        raise UsageError(f"{name} finds events by k-means, which knows no density: take --scorer visual.")
    scorer = wanted or (without if question is None else config.scorer)
    told: tuple[str, ...] = ()
    if wanted is None and not config.score_network:
        told = (UNTRAINED_SCORE.format(name=name, how=SCORED_BY[scorer], scorer=scorer),)
    return Asked(question, model.encode_question(question), scorer, told)


def _see(
    video: str,
    question: str | None,
    model: LoadedModel,
    options: RunOptions,
    progress: Progress,
    watch: Stopwatch,
) -> Seen:
    """Probe, plan, decode, encode. Of the question it knows the times that it names, and nothing else."""
    config = model.config
    with watch("decode"):
        source = probe(video)
    mentions = find_mentions(question or "", source.duration_s)
    subtitles, said_warnings = find_subtitles(source, options.subtitles)
    text = question or ""
    most_text = model.prompt.length(text) + most_subtitle_tokens(model, text, subtitles)
    limit = _video_token_limit(model, options, most_text)
    most = most_frames(limit, config.frame_price(2))
    plan = plan_sampling(
        source,
        replace(options.sampling, max_frames=min(options.sampling.max_frames or config.max_frames, most)),
        mentions,
        default_fps=config.fps,
        default_max_frames=config.max_frames,
    )
    cache = FeatureCache.default() if options.decoding.cache else None
    encoding = encode_video(
        source, plan.times_s, model.vision_tower, cache, options.decoding.hwaccel, progress, watch
    )
    frames = encoding.frames.distinct()
    # float64: ten hours in, float32 is off by milliseconds.
    times_s = torch.tensor(frames.times_s, dtype=torch.float64, device=model.device)
    said = fit_subtitles(model, text, subtitles, frames.times_s)
    limit = _video_token_limit(model, options, model.prompt.length(text, () if said is None else said.lines))
    warnings = (*mentions.warnings, *said_warnings, *plan.warnings, *encoding.warnings)
    health = health_of(source, encoding.frames)
    return Seen(source, plan, frames, times_s, health, encoding.cache, text, said, limit, warnings)


def _choose(
    seen: Seen,
    asked: Asked,
    model: LoadedModel,
    options: RunOptions,
    progress: Progress,
    watch: Stopwatch,
) -> Chosen:
    """Events and key frames."""
    config, wanted = model.config, options.selection
    with watch("select"), torch.inference_mode():
        progress.stage("select", None)
        patches = seen.frames.patches.to(model.device, model.dtype)
        features = model.network.connector.prepare(patches.unsqueeze(0))
        allowance = allow(
            len(seen.times_s),
            prototypes=wanted.prototypes or config.prototypes,
            key_ratio=wanted.key_ratio or config.key_ratio,
            limit=seen.limit,
            price=config.frame_price(len(seen.times_s)),
        )
        pinned = None
        if config.pin_focus:
            pinned = _pinned(seen.plan, options.sampling.at_s, seen.times_s, allowance.key_frames)
        selection = model.network.connector.select(
            features,
            events=allowance.events,
            key_events=allowance.key_frames,
            scorer=asked.scorer,
            question=asked.encoded,
            pinned=pinned,
            generator=torch.Generator().manual_seed(options.generation.seed),
        )
    warnings = (
        *_fewer_key_frames(allowance, seen.limit, wanted.budget),
        *_left_out(seen.plan, seen.times_s, pinned, allowance),
    )
    return Chosen(features, selection, pinned, warnings)


def _video_token_limit(model: LoadedModel, options: RunOptions, prompt_tokens: int) -> int:
    """Video tokens that the context has room for, or `--budget` if that is less."""
    room = model.context - prompt_tokens - options.generation.max_new_tokens
    least = model.config.frame_price(1).key
    if room < least:
        raise UsageError(
            f"The prompt ({prompt_tokens} tokens) and the answer ({options.generation.max_new_tokens}) leave "
            f"{max(0, room)} of {model.context} tokens for the video, and a key frame takes {least}: shorten "
            "the question, or lower --max-new-tokens."
        )
    return room if options.selection.budget is None else min(room, options.selection.budget)


def _pinned(plan: SamplingPlan, at_s: float | None, times_s: Tensor, most: int) -> Tensor | None:
    """(1, T) bool: the frames on screen at the named moments; `most` of them, `--at` before the rest."""
    if not plan.focus_times_s:
        return None
    pinned = torch.zeros(1, len(times_s), dtype=torch.bool, device=times_s.device)
    for moment in sorted(plan.focus_times_s, key=lambda named: named != at_s):
        if int(pinned.sum()) < most:
            pinned[0, _on_screen(moment, times_s)] = True
    return pinned


def _on_screen(moment: float, times_s: Tensor) -> int:
    """Index of the frame that is on screen at `moment`."""
    return max(0, int((times_s <= moment + 1e-6).sum()) - 1)


def _fewer_key_frames(allowance: Allowance, limit: int, budget: int | None) -> tuple[str, ...]:
    """A warning where the tokens hold fewer key frames than asked for."""
    if allowance.key_frames == allowance.wanted:
        return ()
    room = f"has room for only {allowance.key_frames} of {allowance.wanted} key frames"
    if limit == budget:
        return (f"--budget {budget} {room}: raise it, or sample fewer frames.",)
    return (f"The model's context {room}: lower --max-new-tokens, or sample fewer frames.",)


def _left_out(
    plan: SamplingPlan, times_s: Tensor, pinned: Tensor | None, allowance: Allowance
) -> tuple[str, ...]:
    """A warning where moments are named whose frames are not `pinned`, for there are more of them than key
    frames."""
    if pinned is None:
        return ()
    named = len(plan.focus_times_s)
    kept = sum(bool(pinned[0, _on_screen(moment, times_s)]) for moment in plan.focus_times_s)
    if kept == named:
        return ()
    said = f"There are key frames for only {kept} of {named} named moments"
    if allowance.key_frames < allowance.wanted:
        return (f"{said}.",)  # the tokens are short, as another warning says
    return (f"{said}: raise --key-ratio or --prototypes.",)
