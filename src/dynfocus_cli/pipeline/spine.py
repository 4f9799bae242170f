"""The spine: the whole way from a video file to an answer with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from dynfocus_cli.cce.budget import Allowance, allow
from dynfocus_cli.device import free_memory, ran_out, release, require_room, same_device
from dynfocus_cli.errors import OutOfMemory
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import Encoding, VisionTower, encode_video
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.protocol import Backend, Choice, Completion, ModelSpec, ScoredQuestion, VideoSession
from dynfocus_cli.multiple_choice import check_options, ranked
from dynfocus_cli.network.generation import Listener
from dynfocus_cli.options import RunOptions, check_question
from dynfocus_cli.pipeline.counterfactuals import even_frames, is_other, key_frames_among_others, other_frames
from dynfocus_cli.pipeline.domain import notices, refusal
from dynfocus_cli.pipeline.evidence import Chosen, Seen, health_of, report, report_forecast
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.planning.focus import focus_frames, focus_left_out
from dynfocus_cli.planning.memory_plan import next_fallback
from dynfocus_cli.planning.plan import (
    Request,
    RunPlan,
    plan_run,
    read_question,
    read_request,
    token_limit,
)
from dynfocus_cli.planning.subtitles import fit_subtitles
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import (
    Answer,
    Check,
    Counterfactual,
    DomainCheck,
    Forecast,
    Inspection,
    Option,
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Run:
    """One try at the whole way, by one plan."""

    request: Request
    plan: RunPlan
    model: Backend
    asked: ScoredQuestion
    options: RunOptions
    choices: tuple[Option, ...]
    """Answers to choose from, or none."""
    progress: Progress
    watch: Stopwatch
    begun: Prefetch | None = None
    """What was begun of it before its turn came."""
    memory_cache: MemoryFeatureCache | None = None
    """What is remembered of the video, where nothing is kept on disk."""

    @property
    def cache(self) -> FeatureCache | MemoryFeatureCache | None:
        """Where frames' features may be."""
        kept = FeatureCache.default() if self.options.decoding.cache else None
        return self.memory_cache if kept is None else kept


def ask(
    video: str,
    question: str,
    model: Backend,
    options: RunOptions,
    progress: Progress,
    choices: Sequence[Option] = (),
    begun: Prefetch | None = None,
    memory_cache: MemoryFeatureCache | None = None,
) -> Answer:
    """Answers `question` about the file `video`; with `choices`, by the letter of the likeliest of them.

    Args:
        begun: by `begin` for the same video, question and options.
        memory_cache: remembers the video's frames for the next question, where no cache is to keep them.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end, a budget too small, a scorer that the model lacks, a question that is
            empty, too long or no text, or choices that are no choice.
        OutOfDomain: nobody named the model, and it was not trained on such a video or question.
        OutOfMemory: not even a single frame fits, or memory ran out after every fallback.
    """
    check_question(question)
    check_options(choices)

    def answer(run: Run) -> Answer:
        seen = _see(run)
        domain = _check_domain(run, seen)
        chosen = _choose(run, seen)
        for line in notices(model.spec.name, domain, answers=True):
            progress.notice(line)
        written, options_ranked, closer = _answer(run, seen, chosen.session, chosen.choice, progress.write)
        if closer is not None:
            seen = seen.beside(closer)
        evidence = report(
            seen, chosen, run.asked, model, options.generation.seed, run.watch.timings(), written, domain
        )
        # Two guesses that agree would look like evidence.
        checked = options.check and evidence.in_domain is not False
        check = _check(run, seen, chosen, written.text) if checked else None
        truncated = written.generated >= options.generation.max_new_tokens  # the end mark is not counted
        if truncated:
            evidence = replace(evidence, warnings=(*evidence.warnings, _cut_off(written.generated)))
        return Answer(written.text, evidence, options_ranked, check, truncated, written.attention)

    return _within_memory(
        video, question, model, options, tuple(choices), progress, begun, memory_cache, answer
    )


def _cut_off(tokens: int) -> str:
    count = "1 token" if tokens == 1 else f"{tokens} tokens"
    return f"The answer was cut off after {count}: raise --max-new-tokens."


def inspect(
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    progress: Progress,
    begun: Prefetch | None = None,
    memory_cache: MemoryFeatureCache | None = None,
) -> Inspection:
    """The selection that `ask` would make, and its cost, without an answer. Raises as `ask` does."""
    if question is not None:
        check_question(question)

    def selection(run: Run) -> Inspection:
        seen = _see(run)
        chosen = _choose(run, seen)
        with run.watch("select"):
            domain = model.check_domain(seen.source, seen.frames, run.asked)
        return report(
            seen, chosen, run.asked, model, options.generation.seed, run.watch.timings(), None, domain
        )

    return _within_memory(video, question, model, options, (), progress, begun, memory_cache, selection)


def forecast(
    video: str,
    question: str | None,
    model: ModelSpec,
    options: RunOptions,
    choices: Sequence[Option] = (),
) -> Forecast:
    """What `ask` would look at, spend and take, without loading weights or decoding. Raises as `ask` does."""
    if question is not None:
        check_question(question)
    check_options(choices)
    asked = read_question(question, model, options, choices)
    request = read_request(video, asked, model, options)
    free = free_memory(model.device)
    require_room(model.name, model.memory.weights, free)
    plan = plan_run(request, model, options, free - model.memory.weights)
    times = model.times(plan.shape, options.generation.max_new_tokens)
    need = model.memory.need(plan.shape, tower_away=plan.memory_plan.tower == "swapped")
    return report_forecast(request, plan, need, times, asked, model, free)


def _within_memory(
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    choices: tuple[Option, ...],
    progress: Progress,
    begun: Prefetch | None,
    memory_cache: MemoryFeatureCache | None,
    work: Callable[[Run], Result],
) -> Result:
    """Plans for the memory there is, and where that runs out after all tries again with less."""
    watch, spec = Stopwatch(), model.spec
    asked = read_question(question, spec, options, choices)
    with watch("decode"):
        request = read_request(video, asked, spec, options) if begun is None else begun.request
    plan = plan_run(request, spec, options, _free_beside(model))
    while True:
        try:
            return work(
                Run(
                    request=request,
                    plan=plan,
                    model=model,
                    asked=asked,
                    options=options,
                    choices=choices,
                    progress=progress,
                    watch=watch,
                    begun=begun,
                    memory_cache=memory_cache,
                )
            )
        except Exception as error:
            if not ran_out(error):
                raise
            less = next_fallback(plan.memory_plan, watch.stage, spec.device.type)
            if less is None:
                raise OutOfMemory(
                    f"Memory ran out (stage: {watch.stage}) with a single frame: take a smaller or quantized "
                    "model, or --device cpu."
                ) from error
        begun = None
        release(spec.device)  # here, where the error no longer holds what it had
        plan = plan_run(request, spec, options, 0, less)


def _free_beside(model: Backend) -> int:
    """Bytes free beside the weights, all of them in their place."""
    free = free_memory(model.spec.device)
    if not same_device(model.vision_device, model.spec.device):
        free -= model.spec.memory.tower
    return free


def _see(run: Run) -> Seen:
    """Decode, encode. Of the question it knows the times that it names, and nothing else."""
    request, plan, spec = run.request, run.plan, run.model.spec
    with _vision(run):
        tower = run.model.tower(request.source, len(plan.sampling.times_s), run.options.selection)
        encoding = _encode(run, plan.sampling.times_s, tower, run.begun)
    frames = encoding.frames if run.options.selection.stock else encoding.frames.distinct()
    asked_of = run.model.selector_tower if run.asked.scorer == "question" else None
    selected = None if asked_of is None else _encode(run, frames.times_s, asked_of)
    said = fit_subtitles(spec, request.text, request.subtitles, encoding.frames.times_s)
    text_tokens = spec.text_tokens(request.text, () if said is None else said.lines)
    limit = token_limit(spec, request.source, run.options, text_tokens, plan.memory_plan.most_tokens)
    seen = Seen(
        source=request.source,
        plan=plan.sampling,
        frames=frames,
        health=health_of(request.source, encoding.frames),
        cache=encoding.cache,
        text=request.text,
        subtitles=said,
        limit=limit,
        warnings=(
            *request.mentions.warnings,
            *request.warnings,
            *plan.sampling.warnings,
            *plan.memory_plan.told,
            *encoding.warnings,
        ),
        selector_frames=None if selected is None else selected.frames,
    )
    return seen if selected is None else seen.beside(selected)


def _check_domain(run: Run, seen: Seen) -> DomainCheck | None:
    """Whether the model was trained on such a video and question.

    Raises:
        OutOfDomain: it was not, nobody named it, and no answer is asked for anyway.
    """
    fallback = run.model.spec.fallback
    with run.watch("select"):
        check = run.model.check_domain(seen.source, seen.frames, run.asked)
    if check is not None and not check.in_domain and fallback is not None and not run.options.anyway:
        raise refusal(run.model.spec.name, check, fallback)
    return check


def _encode(
    run: Run, moments_s: Sequence[float], tower: VisionTower, begun: Prefetch | None = None
) -> Encoding:
    decoding = run.options.decoding
    return encode_video(
        run.request.source,
        moments_s,
        tower,
        run.cache,
        decoding.hwaccel,
        run.progress,
        run.watch,
        batch_size=run.plan.memory_plan.batch,
        begun=None if begun is None else begun.frames(moments_s, run.plan.memory_plan.batch),
    )


@contextmanager
def _vision(run: Run) -> Iterator[None]:
    """The vision encoder where it is to run, and out of the way afterwards where that was planned."""
    model, place = run.model, run.plan.memory_plan.tower
    with run.watch("encode"):
        model.move_vision(torch.device("cpu") if place == "offloaded" else model.spec.device)
    yield
    if place == "swapped":
        model.move_vision(torch.device("cpu"))
        release(model.spec.device)


def _choose(run: Run, seen: Seen) -> Chosen:
    """Events and key frames."""
    spec, wanted, times_s = run.model.spec, run.options.selection, seen.frames.times_s
    defaults = spec.defaults
    with run.watch("select"):
        run.progress.stage("select", None)
        session = run.model.session(seen.source, seen.frames, wanted, seen.selector_frames)
        allowance = allow(
            len(times_s),
            prototypes=wanted.prototypes or defaults.prototypes,
            key_ratio=wanted.key_ratio or defaults.key_ratio,
            limit=seen.limit.tokens,
            price=spec.price(seen.source, len(times_s), wanted),
            every=wanted.stock,
        )
        pinned: tuple[int, ...] = ()
        if defaults.pin_focus and not wanted.stock:
            pinned = focus_frames(seen.plan, run.options.sampling.at_s, times_s, allowance.key_frames)
        choice = session.choose(run.asked, allowance, pinned, run.options.generation.seed)
    warnings = (
        *seen.limit.fewer_key_frames(allowance),
        *focus_left_out(seen.plan, times_s, pinned, allowance),
    )
    return Chosen(session, choice, warnings)


def _answer(
    run: Run, seen: Seen, session: VideoSession, choice: Choice, listener: Listener | None
) -> tuple[Completion, tuple[Option, ...], Encoding | None]:
    """The answer, where there are options what each is worth, and the key frames once more."""
    closer: Encoding | None = None
    tower = session.detail_tower(choice)
    if tower is not None:
        with _vision(run):
            moments_s = [seen.frames.times_s[frame] for frame in choice.key_frames]
            closer = _encode(run, moments_s, tower)
    close = None if closer is None else closer.frames
    with run.watch("generate"):
        run.progress.stage("generate", None)
        if not run.choices:
            generation = run.options.generation
            written = session.answer(choice, close, run.asked, seen.said, generation, listener)
            return written, (), closer
        found = session.likelihoods(choice, close, run.asked, seen.said)
        options, best = ranked(run.choices, found.log_likelihoods)
        return Completion(best.letter, 0, found.prompt, found.attention), options, closer


def _check(run: Run, seen: Seen, chosen: Chosen, answer: str) -> Check:
    """The answer from even frames, and from those that were not chosen."""
    frames, choice = len(seen.frames.times_s), chosen.choice
    # The answer is written, and a stage would say that it begins anew.
    run = replace(run, progress=Silent())

    def instead(places: Sequence[int], key_frames: tuple[int, ...]) -> Counterfactual:
        fewer = seen.rows(places)
        session = run.model.session(seen.source, fewer.frames, run.options.selection, fewer.selector_frames)
        count = len(key_frames)
        forced = session.choose(
            run.asked,
            Allowance(count, count, count, choice.price),
            key_frames,
            run.options.generation.seed,
        )
        # Not pinned any more: no question named these frames.
        written, *_ = _answer(run, fewer, session, replace(forced, pinned=()), None)
        tokens = forced.price.total(len(places), count)
        return Counterfactual(written.text, len(places), tokens, is_other(written.text, answer))

    even, others = even_frames(frames, choice), other_frames(frames, choice)
    return Check(
        instead(even, tuple(range(len(even)))),
        instead(others, key_frames_among_others(len(others), frames, choice)) if others else None,
    )
