"""What is reported of a run: every sampled frame, what it cost, and what the user should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import Encoding
from dynfocus_cli.models.memory import MemoryNeed
from dynfocus_cli.models.protocol import Backend, Choice, Completion, ModelSpec, ScoredQuestion, VideoSession
from dynfocus_cli.pipeline.domain import notices
from dynfocus_cli.planning.plan import Request, RunPlan, TokenLimit
from dynfocus_cli.types import (
    CacheUse,
    Condition,
    DomainCheck,
    Forecast,
    FrameEvidence,
    Health,
    Inspection,
    MemoryForecast,
    SamplingPlan,
    SelectionInfo,
    Span,
    SubtitleUse,
    TimeForecast,
    Timings,
    TokenBill,
    VideoSource,
)
from dynfocus_cli.video import format_timecode

OFF_BY_S, OFF_BY_SHARE = 1.0, 0.05
"""A declared duration this far from the real one, by both measures, is told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A video, looked at for a question whose words played no part but the times they name."""

    source: VideoSource
    plan: SamplingPlan
    frames: EncodedFrames
    """Of each frame on screen at a planned moment, once."""
    health: Health
    cache: CacheUse
    text: str
    """What the language model is asked, or nothing."""
    subtitles: SubtitleUse | None
    limit: TokenLimit
    warnings: tuple[str, ...]
    selector_frames: EncodedFrames | None = None
    """The same frames, as what finds those of a question sees them."""

    def rows(self, places: Sequence[int]) -> Seen:
        """The same with the frames at `places` alone."""
        beside = None if self.selector_frames is None else self.selector_frames.rows(places)
        return replace(self, frames=self.frames.rows(places), selector_frames=beside)

    def beside(self, encoding: Encoding) -> Seen:
        """The same, once frames were encoded in another way too."""
        uses = {self.cache, encoding.cache}
        warnings = tuple(told for told in encoding.warnings if told not in self.warnings)
        return replace(
            self,
            cache=self.cache if len(uses) == 1 else "partial",
            warnings=(*self.warnings, *warnings),
        )

    @property
    def said(self) -> tuple[str, ...]:
        """The subtitles' lines in the prompt."""
        return () if self.subtitles is None else self.subtitles.lines


@dataclass(frozen=True, slots=True)
class Chosen:
    """The key frames for a question."""

    session: VideoSession
    """The video in front of the model."""
    choice: Choice
    warnings: tuple[str, ...]


def report(
    seen: Seen,
    chosen: Chosen,
    asked: ScoredQuestion,
    model: Backend,
    seed: int,
    timings: Timings,
    written: Completion | None,
    domain: DomainCheck | None,
) -> Inspection:
    """The evidence; `written` is the answer, where there is one."""
    spec, choice = model.spec, chosen.choice
    told = notices(spec.name, domain, answers=written is not None)
    key_frames, price = set(choice.key_frames), choice.price
    tokens = [price.other] * len(choice.events)
    for number, index in enumerate(choice.key_frames):
        # What is paired is told of the first of the pair.
        tokens[index] = 0 if number % price.together else price.key
    frames = tuple(
        FrameEvidence(
            index=index,
            time_s=time_s,
            timecode=format_timecode(time_s),
            event=choice.events[index],
            meaningful=index in key_frames,
            score=choice.scores[choice.events[index]],
            tokens=tokens[index],
        )
        for index, time_s in enumerate(seen.frames.times_s)
    )
    bill = TokenBill(
        video=sum(frame.tokens for frame in frames),
        per_key_frame=price.key,
        per_other_frame=price.other,
        prompt=spec.text_tokens(seen.text, seen.said) + price.timestamp_tokens(len(frames), len(key_frames))
        if written is None
        else written.prompt,
        generated=0 if written is None else written.generated,
        context=spec.context,
        all_patches=_all_patches(spec, seen.source, price, len(key_frames), len(frames)),
        stock=spec.stock_tokens(seen.source),
    )
    return Inspection(
        source=seen.source,
        question=asked.question,
        model=model.info,
        sampling=replace(seen.plan, times_s=seen.frames.times_s),
        selection=SelectionInfo(asked.scorer, len(choice.scores), len(key_frames), spec.defaults.clustering),
        tokens=bill,
        frames=frames,
        timings_s=timings,
        health=seen.health,
        subtitles=seen.subtitles,
        cache=seen.cache,
        seed=seed,
        warnings=(
            *told,
            *seen.warnings,
            *asked.warnings,
            *chosen.warnings,
            *_damage(seen.health),
            *_wrong_duration(seen.source),
            *_restarts(seen.source),
            *filter(None, (seen.source.colour_warning,)),
        ),
        in_domain=None if domain is None else domain.in_domain,
        notices=told,
    )


def report_forecast(
    request: Request,
    plan: RunPlan,
    need: MemoryNeed,
    times: TimeForecast,
    asked: ScoredQuestion,
    model: ModelSpec,
    free: int,
) -> Forecast:
    """What a run would do and take; the moments are the planned ones, some of which may show one frame."""
    frames = plan.shape.frames
    prompt = request.text_tokens + plan.price.timestamp_tokens(frames, plan.allowance.key_frames)
    return Forecast(
        source=request.source,
        question=asked.question,
        model=model.info,
        sampling=plan.sampling,
        selection=SelectionInfo(
            asked.scorer, plan.allowance.events, plan.allowance.key_frames, model.defaults.clustering
        ),
        tokens=TokenBill(
            video=plan.shape.video_tokens,
            per_key_frame=plan.price.key,
            per_other_frame=plan.price.other,
            prompt=prompt,
            generated=plan.shape.text_tokens - prompt,
            context=model.context,
            all_patches=_all_patches(model, request.source, plan.price, plan.allowance.key_frames, frames),
            stock=model.stock_tokens(request.source),
        ),
        batch=plan.memory_plan.batch,
        memory=MemoryForecast(need.weights, need.encode, need.select, need.answer, free),
        time_s=times,
        warnings=(
            *([model.caveat] if model.caveat else []),
            *request.mentions.warnings,
            *request.warnings,
            *plan.sampling.warnings,
            *plan.memory_plan.told,
            *asked.warnings,
            *plan.limit.fewer_key_frames(plan.allowance),
        ),
    )


def _all_patches(
    model: ModelSpec, source: VideoSource, price: FramePrice, key_frames: int, frames: int
) -> int:
    """What the frames would cost were nothing left out; of what is paired nothing is."""
    if price.together > 1:
        return price.total(frames, key_frames)
    return model.patches(source) * frames


def health_of(source: VideoSource, frames: EncodedFrames) -> Health:
    """How well the frames at all sampled moments could be read."""
    conditions = frames.conditions
    return Health(
        declared_duration_s=source.declared_duration_s,
        corrupt_frames=conditions.count("corrupt"),
        substituted_frames=conditions.count("substituted"),
        damaged=_runs(frames.times_s, conditions),
    )


def _runs(times_s: Sequence[float], conditions: Sequence[Condition]) -> tuple[Span, ...]:
    """First and last time of each run of frames that are not sound."""
    runs: list[Span] = []
    before: Condition = "sound"
    for time_s, condition in zip(times_s, conditions, strict=True):
        if condition != "sound":
            runs.append((time_s, time_s)) if before == "sound" else runs.append((runs.pop()[0], time_s))
        before = condition
    return tuple(runs)


def _damage(health: Health) -> tuple[str, ...]:
    """One warning for each damaged stretch."""
    if not health.damaged:
        return ()
    spans = [
        format_timecode(start) if start == end else f"{format_timecode(start)} to {format_timecode(end)}"
        for start, end in health.damaged
    ]
    more = f" and {len(spans) - 5} more" if len(spans) > 5 else ""
    count = health.corrupt_frames + health.substituted_frames
    return (
        f"The file is damaged around {', '.join(spans[:5])}{more}: {count} sampled "
        f"{'frame is' if count == 1 else 'frames are'} in doubt, "
        f"{health.substituted_frames} of them replaced by the last good frame before.",
    )


def _restarts(source: VideoSource) -> tuple[str, ...]:
    """A warning where recordings were joined, or one was cut, and the clock tells."""
    if not source.restarts_s:
        return ()
    places = ", ".join(format_timecode(place_s) for place_s in source.restarts_s[:5])
    more = f" and {len(source.restarts_s) - 5} more" if len(source.restarts_s) > 5 else ""
    return (
        f"The file's clock starts anew or jumps at {places}{more}, as where recordings were joined: "
        "times go on from one part to the next, as players show them.",
    )


def _wrong_duration(source: VideoSource) -> tuple[str, ...]:
    """A warning where the headers are far from the truth: mostly the file was cut short."""
    declared_s, real_s = source.declared_duration_s, source.duration_s
    if declared_s is None or abs(declared_s - real_s) <= max(OFF_BY_S, OFF_BY_SHARE * real_s):
        return ()
    cut = " The file may be incomplete." if declared_s > real_s else ""
    return (
        f"The file says that it is {format_timecode(declared_s)} long, and its frames last "
        f"{format_timecode(real_s)}.{cut}",
    )
