"""The steps of a run: encode, check the domain, select, generate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from dynfocus_cli.device import release
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import Encoding, VisionTower, encode_video
from dynfocus_cli.models.protocol import Choice, Completion, ScoredQuestion, VideoSession
from dynfocus_cli.multiple_choice import ranked
from dynfocus_cli.network.generation import Listener
from dynfocus_cli.pipeline.domain import refusal, refuses
from dynfocus_cli.pipeline.health import health_of
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.pipeline.run import Run
from dynfocus_cli.planning.allocation import Allocation, allocate
from dynfocus_cli.types import CacheUse, DomainCheck, Health, Option


@dataclass(frozen=True, slots=True)
class EncodedVideo:
    """The features of a video's sampled frames; of the question only the times that it names play a part."""

    moments_s: tuple[float, ...]
    """When frames were sampled."""
    frames: EncodedFrames
    """The distinct ones among those on screen at these moments."""
    selector_frames: EncodedFrames | None
    """The same frames in the model that finds those of a question, where there is one."""
    health: Health
    cache: CacheUse
    warnings: tuple[str, ...]

    def rows(self, places: Sequence[int]) -> EncodedVideo:
        """The same with the frames at `places` alone."""
        selected = None if self.selector_frames is None else self.selector_frames.rows(places)
        return replace(self, frames=self.frames.rows(places), selector_frames=selected)

    def after(self, encoding: Encoding) -> EncodedVideo:
        """The same with the cache's use and the warnings of one more pass."""
        warnings = [line for line in encoding.warnings if line not in self.warnings]
        cache = self.cache if encoding.cache == self.cache else "partial"
        return replace(self, cache=cache, warnings=(*self.warnings, *warnings))


@dataclass(frozen=True, slots=True)
class Selection:
    """The key frames for a question."""

    session: VideoSession
    choice: Choice
    allocation: Allocation

    @property
    def question(self) -> ScoredQuestion:
        """As the language model reads it."""
        return self.allocation.question

    @property
    def subtitles(self) -> tuple[str, ...]:
        """Lines that the model puts into its prompt; empty where the question's own prompt has them."""
        subtitles = self.allocation.subtitles
        return () if subtitles is None or self.question.wording is not None else subtitles.lines


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer, and what it took beside the selection."""

    completion: Completion
    options: tuple[Option, ...]
    """Where there was a choice, each answer with its likelihood."""
    detail: Encoding | None
    """The key frames' pass at full resolution, where there was one."""


def encode(run: Run) -> EncodedVideo:
    """Decodes the planned moments and encodes their frames."""
    moments_s, selection = run.plan.sampling.times_s, run.options.selection
    with _vision(run):
        tower = run.model.tower(run.source, len(moments_s), selection)
        encoding = _encode(run, moments_s, tower, run.prefetch)
    frames = encoding.frames if selection.stock else encoding.frames.distinct()
    health = health_of(run.source, encoding.frames)
    encoded = EncodedVideo(moments_s, frames, None, health, encoding.cache, encoding.warnings)
    selector = run.model.selector_tower
    if selector is None or run.question.scorer != "question":
        return encoded
    selected = _encode(run, frames.times_s, selector)
    return replace(encoded.after(selected), selector_frames=selected.frames)


def check_domain(run: Run, encoded: EncodedVideo, *, refuse: bool) -> DomainCheck | None:
    """Whether the model was trained on such a video and question; None where it does not say.

    Raises:
        OutOfDomain: with `refuse`, it was not, and nobody named it and no answer is asked for anyway, or
            answers are wanted within its training alone.
    """
    spec = run.model.spec
    with run.watch("select"):
        check = run.model.check_domain(run.source, encoded.frames, run.question)
    if refuse and check is not None and not check.in_domain and refuses(spec.fallback, run.options):
        raise refusal(spec.name, check, spec.fallback)
    return check


def select(run: Run, encoded: EncodedVideo) -> Selection:
    """DPE: events and key frames, as many as the tokens pay for."""
    model, options, frames = run.model, run.options, encoded.frames
    with run.watch("select"):
        run.progress.stage("select", None)
        session = model.session(run.source, frames, options.selection, encoded.selector_frames)
        allocation = allocate(run.plan, model.spec, options, encoded.moments_s, frames.times_s)
        choice = session.choose(
            run.question, allocation.allowance, allocation.pinned, options.generation.seed
        )
    return Selection(session, choice, allocation)


def generate(run: Run, encoded: EncodedVideo, selection: Selection, listener: Listener | None) -> Generation:
    """CCE and the language model: the answer, or the likeliest of the given ones."""
    session, choice = selection.session, selection.choice
    question, subtitles = selection.question, selection.subtitles
    detail: Encoding | None = None
    tower = session.detail_tower(choice)
    if tower is not None:
        with _vision(run):
            detail = _encode(run, [encoded.frames.times_s[frame] for frame in choice.key_frames], tower)
    detailed = None if detail is None else detail.frames
    with run.watch("generate"):
        run.progress.stage("generate", None)
        if not run.choices:
            generation = run.options.generation
            completion = session.answer(choice, detailed, question, subtitles, generation, listener)
            return Generation(completion, (), detail)
        likelihoods = session.likelihoods(choice, detailed, question, subtitles)
        options, best = ranked(run.choices, likelihoods.log_likelihoods)
        completion = Completion(best.letter, 0, likelihoods.prompt, likelihoods.attention)
        return Generation(completion, options, detail)


def _encode(
    run: Run, moments_s: Sequence[float], tower: VisionTower, prefetch: Prefetch | None = None
) -> Encoding:
    decoding, batch = run.options.decoding, run.plan.memory_plan.batch
    return encode_video(
        run.source,
        moments_s,
        tower,
        run.cache,
        decoding.hwaccel,
        run.progress,
        run.watch,
        batch_size=batch,
        prefetched=None if prefetch is None else prefetch.frames(moments_s, batch),
    )


@contextmanager
def _vision(run: Run) -> Iterator[None]:
    """The vision encoder where it is to run, and out of the way afterwards where that was planned."""
    model, place, cpu = run.model, run.plan.memory_plan.tower, torch.device("cpu")
    with run.watch("encode"):
        model.move_vision(cpu if place == "offloaded" else model.spec.device)
    yield
    if place == "swapped":
        model.move_vision(cpu)
        release(model.spec.device)
