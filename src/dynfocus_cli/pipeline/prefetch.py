"""A video is probed, and its decoding begins, while another one is at work."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import decode_for, key_of
from dynfocus_cli.files import Stamp, state_of
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import CustomPrompt, Request, read_request
from dynfocus_cli.types import FrameBatch, Option
from dynfocus_cli.video import open_hardware

VAST = 1 << 60
"""Bytes that are never short: a plan that memory changes does without the prefetch."""


@dataclass(slots=True)
class Prefetch:
    """A video that is being decoded ahead of its turn."""

    request: Request
    moments_s: tuple[float, ...]
    batch: int
    """Frames at a time."""
    batches: Iterator[FrameBatch] | None
    """What follows the first batch; None where the cache has the frames, and once they were taken."""
    first: FrameBatch | None = None
    state: Stamp | None = None
    """Of the file, before it was opened."""

    def is_of_now(self) -> bool:
        """Whether the file is still the one that was opened."""
        return state_of(self.request.source.path) == self.state

    def frames(self, moments_s: Sequence[float], batch: int) -> Iterator[FrameBatch] | None:
        """The frames, once, where they are those at the moments in batches of that size."""
        if tuple(moments_s) != self.moments_s or batch != self.batch:
            self.close()
        if self.batches is None or self.first is None:
            return None
        batches, self.batches = chain((self.first,), self.batches), None
        return batches

    def close(self) -> None:
        """Stops decoding."""
        if isinstance(self.batches, Generator):
            self.batches.close()
        self.batches = None


def start_prefetch(
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    choices: Sequence[Option] = (),
    prompt: CustomPrompt | None = None,
) -> Prefetch:
    """Probes a video and begins to decode it in threads of their own, for `ask` or `inspect` to go on with.
    Raises as they do."""
    state = state_of(video)
    request = read_request(video, question, model.spec, options, choices, prompt)
    plan = plan_run(request, model.spec, options, VAST)
    source, moments_s, batch = request.source, plan.sampling.times_s, plan.memory_plan.batch
    tower = model.tower(source, len(moments_s), options.selection)
    device, _ = open_hardware(options.decoding.hwaccel, source.codec)
    cache = FeatureCache.default() if options.decoding.cache else None
    if cache is not None:
        key = key_of(cache.digest(source.path), source, tower, device)
        if cache.look_up(key, moments_s) is not None:
            return Prefetch(request, moments_s, batch, None, state=state)
    batches = decode_for(source, moments_s, tower, device, batch)
    first = next(batches)  # only now do the threads begin
    return Prefetch(request, moments_s, batch, batches, first, state)
