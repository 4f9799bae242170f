"""What is reported of a run: every sampled frame, what it cost, and what the user should know."""

from __future__ import annotations

from dataclasses import replace

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.models.protocol import Completion, ModelSpec
from dynfocus_cli.pipeline.domain import GUESS, LEARNED_ELSEWHERE, notices
from dynfocus_cli.pipeline.health import file_warnings
from dynfocus_cli.pipeline.run import Run
from dynfocus_cli.pipeline.steps import EncodedVideo, Selection
from dynfocus_cli.types import DomainCheck, FrameEvidence, Inspection, SelectionInfo, TokenBill, VideoSource
from dynfocus_cli.video import format_timecode


def report(
    run: Run,
    encoded: EncodedVideo,
    selection: Selection,
    domain: DomainCheck | None,
    completion: Completion | None = None,
) -> Inspection:
    """The evidence of a selection, and of its answer where there is one."""
    spec, source, question, choice = run.model.spec, run.source, run.question, selection.choice
    price, times_s, key_frames = choice.price, encoded.frames.times_s, choice.key_frames
    if completion is None:
        stamps = price.timestamp_tokens(len(times_s), len(key_frames))
        prompt, generated = spec.text_tokens(selection.question.text, selection.subtitles) + stamps, 0
    else:
        prompt, generated = completion.prompt, completion.generated
    first = notices(spec.name, domain, LEARNED_ELSEWHERE if completion is None else GUESS)
    return Inspection(
        source=source,
        question=question.question,
        model=run.model.info,
        sampling=replace(run.plan.sampling, times_s=times_s),
        selection=SelectionInfo(
            question.scorer,
            len(choice.scores),
            len(key_frames),
            spec.defaults.clustering,
            run.options.selection.frame_selector,
        ),
        tokens=token_bill(
            spec, source, price, len(times_s), len(key_frames), prompt=prompt, generated=generated
        ),
        frames=_frames(encoded, selection),
        timings_s=run.watch.timings(),
        health=encoded.health,
        subtitles=selection.allocation.subtitles,
        cache=encoded.cache,
        seed=run.options.generation.seed,
        warnings=(
            *first,
            *run.plan.warnings,
            *encoded.warnings,
            *question.warnings,
            *selection.allocation.warnings,
            *file_warnings(source, encoded.health),
        ),
        in_domain=None if domain is None else domain.in_domain,
        notices=first,
    )


def _frames(encoded: EncodedVideo, selection: Selection) -> tuple[FrameEvidence, ...]:
    choice, price = selection.choice, selection.choice.price
    tokens = [price.other] * len(choice.events)
    for number, index in enumerate(choice.key_frames):
        # Of key frames that are paired, the first one has the tokens of both.
        tokens[index] = 0 if number % price.together else price.key
    key_frames = set(choice.key_frames)
    return tuple(
        FrameEvidence(
            index=index,
            time_s=time_s,
            timecode=format_timecode(time_s),
            event=choice.events[index],
            meaningful=index in key_frames,
            score=choice.scores[choice.events[index]],
            tokens=tokens[index],
        )
        for index, time_s in enumerate(encoded.frames.times_s)
    )


def token_bill(
    model: ModelSpec,
    source: VideoSource,
    price: FramePrice,
    frames: int,
    key_frames: int,
    *,
    prompt: int,
    generated: int,
) -> TokenBill:
    """Where the context goes for `frames` frames of that price, `key_frames` of them key frames."""
    video = price.total(frames, key_frames)
    return TokenBill(
        video=video,
        per_key_frame=price.key,
        per_other_frame=price.other,
        prompt=prompt,
        generated=generated,
        context=model.context,
        # Of frames that are paired nothing is left out.
        all_patches=video if price.together > 1 else model.patches(source) * frames,
        stock=model.stock_tokens(source),
    )
