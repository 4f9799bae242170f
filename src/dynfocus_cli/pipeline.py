"""The spine: the whole way from a video file to an answer with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from dynfocus_cli.budget import Allowance, allow
from dynfocus_cli.checkpoints.loading import LoadedModel, ModelOutline
from dynfocus_cli.errors import OutOfMemory, UsageError
from dynfocus_cli.evidence import Asked, Chosen, Seen, health_of, report, report_forecast
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import VisionTower, encode_video
from dynfocus_cli.model.generation import generate
from dynfocus_cli.planning.device import free_memory, ran_out, release, require_room
from dynfocus_cli.planning.economy import Economy, spare_more
from dynfocus_cli.planning.run_plan import Request, RunPlan, plan_run, read_request, token_limit
from dynfocus_cli.planning.speed import time_layers
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.subtitling import fit_subtitles
from dynfocus_cli.types import (
    Answer,
    Forecast,
    Inspection,
    RunOptions,
    SamplingPlan,
    Scorer,
    check_question,
)

Result = TypeVar("Result")

UNTRAINED = "{name} is not trained yet ({parts}: random weights): its key frames and answers mean nothing."
UNTRAINED_SCORE = "{name} has no trained score network: its events are ranked by {how} (--scorer {scorer})."
SCORED_BY = {
    "attention": "the Q-Former's attention from the question to the frames",
    "density": "how dense and how distinct each is",
}


def ask(
    video: str,
    question: str,
    model: LoadedModel,
    options: RunOptions,
    progress: Progress,
) -> Answer:
    """Answers `question` about the file `video`.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end, a budget too small, a scorer that the model lacks, or a question that
            is empty, too long or no text.
        OutOfMemory: not even a single frame fits, or memory ran out after every fallback.
    """
    check_question(question)
    asked = _read(question, model, options)

    def answer(request: Request, plan: RunPlan, watch: Stopwatch) -> Answer:
        seen = _see(request, plan, model, options, progress, watch)
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
            generated = generate(
                model.network,
                model.prompt,
                tokens[0],
                question,
                seen.said,
                options.generation,
                progress.write,
            )
        timings = watch.timings()
        evidence = report(seen, chosen, asked, model, options.generation.seed, timings, len(generated))
        return Answer(model.prompt.read(generated), evidence)

    return _within_memory(video, question, model, options, answer)


def inspect(
    video: str, question: str | None, model: LoadedModel, options: RunOptions, progress: Progress
) -> Inspection:
    """The selection that `ask` would make, and its cost, without an answer. Raises as `ask` does."""
    if question is not None:
        check_question(question)
    asked = _read(question, model, options)

    def selection(request: Request, plan: RunPlan, watch: Stopwatch) -> Inspection:
        seen = _see(request, plan, model, options, progress, watch)
        chosen = _choose(seen, asked, model, options, progress, watch)
        return report(seen, chosen, asked, model, options.generation.seed, watch.timings(), generated=0)

    return _within_memory(video, question, model, options, selection)


def forecast(video: str, question: str | None, model: ModelOutline, options: RunOptions) -> Forecast:
    """What `ask` would look at, spend and take, without loading weights or decoding. Raises as `ask` does."""
    if question is not None:
        check_question(question)
    scorer, told = _scorer(question, model, options)
    request = read_request(video, question, model, options)
    free = free_memory(model.device)
    require_room(model.name, model.memory.weights, free)
    plan = plan_run(request, model, options, free - model.memory.weights)
    times = time_layers(model, plan.shape, options.generation.max_new_tokens)
    need = model.memory.need(plan.shape, tower_away=plan.economy.tower == "swapped")
    return report_forecast(request, plan, need, times, scorer, told, model, free)


def _within_memory(
    video: str,
    question: str | None,
    model: LoadedModel,
    options: RunOptions,
    work: Callable[[Request, RunPlan, Stopwatch], Result],
) -> Result:
    """Plans for the memory there is, and where that runs out after all tries again with less."""
    watch, outline = Stopwatch(), model.outline
    with watch("decode"):
        request = read_request(video, question, outline, options)
    plan = plan_run(request, outline, options, _free_beside(model))
    while True:
        try:
            return work(request, plan, watch)
        except Exception as error:
            if not ran_out(error):
                raise
            less = spare_more(plan.economy, watch.stage, model.device.type)
            if less is None:
                raise OutOfMemory(
                    f"Memory ran out (stage: {watch.stage}) with a single frame: take a smaller or quantized "
                    "model, or --device cpu."
                ) from error
        release(model.device)  # here, where the error no longer holds what it had
        plan = plan_run(request, outline, options, 0, less)


def _free_beside(model: LoadedModel) -> int:
    """Bytes free beside the weights, all of them in their place."""
    free = free_memory(model.device)
    if model.network.vision.device != model.device:
        free -= model.outline.memory.tower
    return free


def _read(question: str | None, model: LoadedModel, options: RunOptions) -> Asked:
    """The question as the network reads it, and the scorer that runs."""
    scorer, told = _scorer(question, model.outline, options)
    return Asked(question, model.encode_question(question), scorer, told)


def _scorer(question: str | None, model: ModelOutline, options: RunOptions) -> tuple[Scorer, tuple[str, ...]]:
    """What ranks the events, and a notice where nothing was trained to."""
    config, name = model.config, model.name
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
    if config.untrained:
        return scorer, (UNTRAINED.format(name=name, parts=", ".join(config.untrained)),)
    if wanted is None and not config.score_network:
        return scorer, (UNTRAINED_SCORE.format(name=name, how=SCORED_BY[scorer], scorer=scorer),)
    return scorer, ()


def _see(
    request: Request,
    plan: RunPlan,
    model: LoadedModel,
    options: RunOptions,
    progress: Progress,
    watch: Stopwatch,
) -> Seen:
    """Decode, encode. Of the question it knows the times that it names, and nothing else."""
    cache = FeatureCache.default() if options.decoding.cache else None
    with _tower(model, plan.economy, watch) as tower:
        encoding = encode_video(
            request.source,
            plan.sampling.times_s,
            tower,
            cache,
            options.decoding.hwaccel,
            progress,
            watch,
            batch_size=plan.economy.batch,
        )
    frames = encoding.frames.distinct()
    # float64: ten hours in, float32 is off by milliseconds.
    times_s = torch.tensor(frames.times_s, dtype=torch.float64, device=model.device)
    said = fit_subtitles(model.outline, request.text, request.subtitles, frames.times_s)
    text_tokens = model.prompt.length(request.text, () if said is None else said.lines)
    limit = token_limit(model.outline, options, text_tokens, plan.economy.most_tokens)
    return Seen(
        source=request.source,
        plan=plan.sampling,
        frames=frames,
        times_s=times_s,
        health=health_of(request.source, encoding.frames),
        cache=encoding.cache,
        text=request.text,
        subtitles=said,
        limit=limit,
        warnings=(
            *request.mentions.warnings,
            *request.warnings,
            *plan.sampling.warnings,
            *plan.economy.told,
            *encoding.warnings,
        ),
    )


@contextmanager
def _tower(model: LoadedModel, economy: Economy, watch: Stopwatch) -> Iterator[VisionTower]:
    """The vision encoder where it is to run, and out of the way afterwards where that was planned."""
    vision: torch.nn.Module = model.network.vision
    with watch("encode"):
        vision.to(torch.device("cpu") if economy.tower == "offloaded" else model.device)
    yield model.vision_tower
    if economy.tower == "swapped":
        vision.to("cpu")
        release(model.device)


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
        patches = seen.frames.patches.to(model.device, model.outline.dtype)
        features = model.network.connector.prepare(patches.unsqueeze(0))
        allowance = allow(
            len(seen.times_s),
            prototypes=wanted.prototypes or config.prototypes,
            key_ratio=wanted.key_ratio or config.key_ratio,
            limit=seen.limit.tokens,
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
        *seen.limit.fewer_key_frames(allowance),
        *_left_out(seen.plan, seen.times_s, pinned, allowance),
    )
    return Chosen(features, selection, pinned, warnings)


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
