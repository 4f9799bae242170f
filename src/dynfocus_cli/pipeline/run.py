"""A run, by one plan after another: where memory runs out, it is tried again with less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from dynfocus_cli.device import free_memory, ran_out, release, same_device, threads_for
from dynfocus_cli.errors import OutOfMemory
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.protocol import Backend, ScoredQuestion
from dynfocus_cli.options import RunOptions
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.planning.memory_plan import next_fallback
from dynfocus_cli.planning.plan import RunPlan, plan_run
from dynfocus_cli.planning.request import CustomPrompt, read_request
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import Option, VideoSource

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Run:
    """One try at the whole way, by one plan."""

    plan: RunPlan
    model: Backend
    options: RunOptions
    progress: Progress
    watch: Stopwatch
    choices: tuple[Option, ...] = ()
    """Answers to choose from, or none."""
    prefetch: Prefetch | None = None
    memory_cache: MemoryFeatureCache | None = None
    """Keeps the frames' features where the cache on disk is off."""

    @property
    def source(self) -> VideoSource:
        """The video."""
        return self.plan.request.source

    @property
    def question(self) -> ScoredQuestion:
        """As the model reads it."""
        return self.plan.request.question

    @property
    def cache(self) -> FeatureCache | MemoryFeatureCache | None:
        """Where frames' features may be."""
        kept = FeatureCache.default() if self.options.decoding.cache else None
        return self.memory_cache if kept is None else kept


def run_within_memory(
    work: Callable[[Run], Result],
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    progress: Progress,
    choices: tuple[Option, ...] = (),
    prefetch: Prefetch | None = None,
    memory_cache: MemoryFeatureCache | None = None,
    prompt: CustomPrompt | None = None,
) -> Result:
    """Does the `work` by a plan for the memory there is; where that runs out after all, by its fallbacks.

    Raises:
        OutOfMemory: no frame fits, or memory ran out after every fallback.
    """
    watch, spec = Stopwatch(), model.spec
    with watch("decode"):
        if prefetch is not None and not prefetch.is_of_now():  # the file was replaced meanwhile
            prefetch.close()
            prefetch = None
        if prefetch is not None:
            request = prefetch.request
        else:
            request = read_request(video, question, spec, options, choices, prompt)
    plan = plan_run(request, spec, options, free_beside(model))
    run = Run(plan, model, options, progress, watch, choices, prefetch, memory_cache)
    while True:
        try:
            with threads_for(spec.memory.weights, spec.device):
                return work(run)
        except Exception as error:
            if not ran_out(error):
                raise
            fallback = next_fallback(run.plan.memory_plan, watch.stage, spec.device.type)
            if fallback is None:
                raise OutOfMemory(
                    f"Memory ran out (stage: {watch.stage}) with a single frame: take a smaller or quantized "
                    "model, or `device=cpu`."
                ) from error
        release(spec.device)  # here, where the error no longer holds what it had
        run = replace(run, plan=plan_run(request, spec, options, 0, fallback), prefetch=None)


def free_beside(model: Backend) -> int:
    """Bytes that are free beside the weights when all of them are loaded."""
    free = free_memory(model.spec.device)
    if not same_device(model.vision_device, model.spec.device):
        free -= model.spec.memory.tower
    return free
