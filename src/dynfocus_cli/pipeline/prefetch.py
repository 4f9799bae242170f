"""A video is probed, and its decoding begins, while another one is at work."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import decode_for, key_of
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.plan import Request, plan_run, read_question, read_request
from dynfocus_cli.types import FrameBatch, Option
from dynfocus_cli.video import open_hardware

VAST = 1 << 60
"""Bytes that are never short: what is begun ahead is taken up again where memory is."""


@dataclass(slots=True)
class Prefetch:
    """A video that is being decoded ahead of its turn."""

    request: Request
    moments_s: tuple[float, ...]
    batch: int
    """Frames at a time."""
    batches: Iterator[FrameBatch] | None
    """What is still to come; None where the cache has the frames."""
    first: FrameBatch | None = None

    def frames(self, moments_s: Sequence[float], batch: int) -> Iterator[FrameBatch] | None:
        """The frames, once, where they are those at the moments in batches of that size."""
        if self.batches is None or self.first is None:
            return None
        if tuple(moments_s) != self.moments_s or batch != self.batch:
            self.close()
            return None
        batches, self.batches = chain((self.first,), self.batches), None
        return batches

    def close(self) -> None:
        """Stops decoding."""
        if isinstance(self.batches, Generator):
            self.batches.close()
        self.batches = None


def begin(
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    choices: Sequence[Option] = (),
) -> Prefetch:
    """Probes a video and begins to decode it, for `ask` or `inspect` to go on with: while another one is at
    work, in a thread of its own. Raises as they do."""
    spec = model.spec
    asked = read_question(question, spec, options, choices)
    request = read_request(video, asked, spec, options)
    plan = plan_run(request, spec, options, VAST)
    moments_s, source = plan.sampling.times_s, request.source
    tower = model.tower(source, len(moments_s), options.selection)
    device, _ = open_hardware(options.decoding.hwaccel, source.codec)
    cache = FeatureCache.default() if options.decoding.cache else None
    if cache is not None:
        key = key_of(cache.digest(source.path), source, tower, device)
        if cache.look_up(key, moments_s) is not None:
            return Prefetch(request, moments_s, plan.memory_plan.batch, None)
    batches = decode_for(source, moments_s, tower, device, plan.memory_plan.batch)
    first = next(batches)  # threads begin with the first
    return Prefetch(request, moments_s, plan.memory_plan.batch, batches, first)
