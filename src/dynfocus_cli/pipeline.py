"""The spine: the whole way from a video file to an answer with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dynfocus_cli.budget import Allowance, allow, most_frames
from dynfocus_cli.checkpoints.loading import LoadedModel
from dynfocus_cli.errors import UsageError
from dynfocus_cli.model.connector import EventSelection, VideoFeatures
from dynfocus_cli.model.connector import Question as EncodedQuestion
from dynfocus_cli.model.generation import generate
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import (
    Answer,
    FrameEvidence,
    GenerationOptions,
    Inspection,
    SamplingOptions,
    SamplingPlan,
    SelectionInfo,
    SelectionOptions,
    TokenBill,
    VideoSource,
    check_question,
)
from dynfocus_cli.video import decode_frames, find_mentions, format_timecode, plan_sampling, probe

ENCODING_BATCH = 32
"""Frames that are decoded and encoded at a time; bounds memory whatever the video's length."""

UNFAMILIAR = (
    "This does not look like the generated clips that {name} was trained on (distance {distance:.1f}, where "
    "its own world stays below {threshold:.1f}): take the answer as a guess, or name another --model."
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything that a run can be asked for beyond video, question and model."""

    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    generation: GenerationOptions = field(default_factory=GenerationOptions)


def ask(video: str, question: str, model: LoadedModel, options: RunOptions, progress: Progress) -> Answer:
    """Answers `question` about the file `video`.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end, a budget too small, a scorer that the model lacks, or a question that
            is empty, too long or no text.
    """
    check_question(question)
    watch = Stopwatch()
    looked = _look(video, question, model, options, progress, watch)
    with watch("generate"), torch.inference_mode():
        progress.stage("generate", None)
        tokens, _ = model.network.video_tokens(
            looked.features,
            looked.selection,
            looked.question,
            looked.times_s.unsqueeze(0),
            looked.pinned,
        )
        generated = generate(model.network, model.prompt, tokens[0], question, options.generation)
    evidence = _evidence(looked, model, options, question, watch, len(generated))
    return Answer(model.prompt.read(generated), evidence)


def inspect(
    video: str, question: str | None, model: LoadedModel, options: RunOptions, progress: Progress
) -> Inspection:
    """The selection that `ask` would make, and its cost, without an answer. Raises as `ask` does."""
    if question is not None:
        check_question(question)
    watch = Stopwatch()
    looked = _look(video, question, model, options, progress, watch)
    return _evidence(looked, model, options, question, watch, generated=0)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is known of a video once its key frames are chosen."""

    source: VideoSource
    plan: SamplingPlan
    features: VideoFeatures
    """Of a batch of one."""
    times_s: Tensor
    """(T,)."""
    selection: EventSelection
    pinned: Tensor | None
    """(1, T) bool: frames at the moments that the question names."""
    scorer: str
    question: EncodedQuestion | None
    prompt_tokens: int
    warnings: tuple[str, ...]


def _look(
    video: str,
    question: str | None,
    model: LoadedModel,
    options: RunOptions,
    progress: Progress,
    watch: Stopwatch,
) -> _Looked:
    """Probe, plan, decode, encode, select."""
    config = model.config
    wanted = options.selection
    asked = model.encode_question(question)
    scorer = _scorer(wanted.scorer, model, asked)
    with watch("decode"):
        source = probe(video)
    prompt_tokens = model.prompt.length("" if question is None else question)
    limit = _video_token_limit(model, options, prompt_tokens)
    mentions = find_mentions(question or "", source.duration_s)
    most = most_frames(limit, config.cone_tokens)
    plan = plan_sampling(
        source,
        replace(options.sampling, max_frames=min(options.sampling.max_frames or config.max_frames, most)),
        mentions,
        default_fps=config.fps,
        default_max_frames=config.max_frames,
    )
    patches, times_s = _encode(source, plan, model, progress, watch)
    with watch("select"), torch.inference_mode():
        progress.stage("select", None)
        features = model.network.connector.prepare(patches.unsqueeze(0))
        allowance = allow(
            len(times_s),
            prototypes=wanted.prototypes or config.prototypes,
            key_ratio=wanted.key_ratio or config.key_ratio,
            limit=limit,
            cone_tokens=config.cone_tokens,
        )
        pinned = None
        if config.pin_focus:
            pinned = _pinned(plan, options.sampling.at_s, times_s, allowance.key_frames)
        selection = model.network.connector.select(
            features,
            events=allowance.events,
            key_events=allowance.key_frames,
            question=asked if scorer == "question" else None,
            pinned=pinned,
        )
    warnings = (
        *mentions.warnings,
        *plan.warnings,
        *_fewer_key_frames(allowance, limit, wanted.budget),
        *_left_out(plan, times_s, pinned, allowance),
        *_unfamiliar(model, patches),
    )
    return _Looked(source, plan, features, times_s, selection, pinned, scorer, asked, prompt_tokens, warnings)


def _video_token_limit(model: LoadedModel, options: RunOptions, prompt_tokens: int) -> int:
    """Video tokens that the context has room for, or `--budget` if that is less."""
    room = model.context - prompt_tokens - options.generation.max_new_tokens
    least = model.config.cone_tokens + model.config.rod_tokens
    if room < least:
        raise UsageError(
            f"The prompt ({prompt_tokens} tokens) and the answer ({options.generation.max_new_tokens}) leave "
            f"{max(0, room)} of {model.context} tokens for the video, and a key frame takes {least}: shorten "
            "the question, or lower --max-new-tokens."
        )
    return room if options.selection.budget is None else min(room, options.selection.budget)


def _encode(
    source: VideoSource, plan: SamplingPlan, model: LoadedModel, progress: Progress, watch: Stopwatch
) -> tuple[Tensor, Tensor]:
    """Patch features (T, N, D_v) and times (T,) of the planned frames; a frame that is still on screen at the
    next moment is taken once."""
    progress.stage("encode", len(plan.times_s))
    scaling = model.preprocessing
    batches = decode_frames(
        source,
        plan.times_s,
        width=scaling.size,
        height=scaling.size,
        fit=scaling.fit,
        batch_size=ENCODING_BATCH,
    )
    patches: list[Tensor] = []
    times_s: list[float] = []
    last_pts_s: float | None = None
    while True:
        with watch("decode"):
            batch = next(batches, None)
        if batch is None:
            break
        fresh = []
        for place, pts_s in enumerate(batch.pts_s):
            if pts_s != last_pts_s:
                fresh.append(place)
            last_pts_s = pts_s
        with watch("encode"), torch.inference_mode():
            if fresh:
                pixels = scaling(batch.pixels[fresh]).to(model.device, model.dtype)
                patches.append(model.network.encode_frames(pixels))
                times_s += [batch.times_s[place] for place in fresh]
        progress.advance(len(batch.times_s))
    # float64: ten hours in, float32 is off by milliseconds.
    return torch.cat(patches), torch.tensor(times_s, dtype=torch.float64, device=model.device)


def _scorer(wanted: str | None, model: LoadedModel, question: EncodedQuestion | None) -> str:
    """The scorer that runs: the question's needs a question, and weights for it."""
    if wanted == "question" and question is None:
        raise UsageError("--scorer question needs a question: give one with --question.")
    if wanted == "question" and not model.config.question_aware_score:
        raise UsageError(f"{model.info.name} has no question-aware score: take --scorer visual.")
    if wanted is not None:
        return wanted
    return "visual" if question is None else model.config.scorer


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


def _unfamiliar(model: LoadedModel, patches: Tensor) -> tuple[str, ...]:
    known = model.familiarity
    if known is None or known.is_familiar(patches):
        return ()
    distance = known.distance(patches)
    return (UNFAMILIAR.format(name=model.info.name, distance=distance, threshold=known.threshold),)


def _evidence(
    looked: _Looked,
    model: LoadedModel,
    options: RunOptions,
    question: str | None,
    watch: Stopwatch,
    generated: int,
) -> Inspection:
    config, selection = model.config, looked.selection
    events, scores = selection.assignment[0].tolist(), selection.scores[0].tolist()
    key_frames = set(selection.key_frames[0].tolist())
    per_key, per_other = config.cone_tokens + config.rod_tokens, config.rod_tokens
    frames = tuple(
        FrameEvidence(
            index=index,
            time_s=time_s,
            timecode=format_timecode(time_s),
            event=events[index],
            meaningful=index in key_frames,
            score=scores[events[index]],
            tokens=per_key if index in key_frames else per_other,
        )
        for index, time_s in enumerate(looked.times_s.tolist())
    )
    bill = TokenBill(
        video=sum(frame.tokens for frame in frames),
        per_key_frame=per_key,
        per_other_frame=per_other,
        prompt=looked.prompt_tokens,
        generated=generated,
        context=model.context,
        all_patches=config.patches * len(frames),
    )
    return Inspection(
        source=looked.source,
        question=question,
        model=model.info,
        sampling=replace(looked.plan, times_s=tuple(looked.times_s.tolist())),
        selection=SelectionInfo(
            looked.scorer, selection.centres.shape[1], len(key_frames), config.temporal_clustering
        ),
        tokens=bill,
        frames=frames,
        timings_s=watch.timings(),
        seed=options.generation.seed,
        warnings=looked.warnings,
    )
