"""Exact frames at planned moments, scaled while they are still in the decoder's format."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice, pairwise

import numpy as np
from av.codec.hwaccel import HWAccel

from dynfocus_cli.types import Condition, FrameBatch, VideoSource
from dynfocus_cli.video.background_iterator import BackgroundIterator
from dynfocus_cli.video.decode_workers import MAX_CHUNK_BATCHES, DecodeWork, divide_work
from dynfocus_cli.video.frame_converter import Fit, FrameConverter
from dynfocus_cli.video.frames_on_screen import frames_on_screen

BATCHES_AHEAD = MAX_CHUNK_BATCHES
"""Decoded batches of a worker that may wait: a chunk, so that none waits while it is another's turn."""


def decode_frames(
    source: VideoSource,
    times_s: Sequence[float],
    *,
    width: int,
    height: int,
    fit: Fit,
    batch_size: int,
    hwaccel: HWAccel | None = None,
) -> Iterator[FrameBatch]:
    """The frames on screen at `times_s`, upright, in batches of at most `batch_size`.

    Moments are seconds from where players begin and must not go back. Two moments on one frame give it
    twice. `squash` scales the displayed picture to `width` x `height` pixels; `center_crop` scales it until
    it covers them and cuts off equally on both sides; `letterbox` scales it until it fits into them and adds
    equal black bars. Decoding goes on in threads of its own while the caller
    works, a bounded number of batches ahead: memory does not grow with the video's length.

    Raises:
        ValueError: moments that go back, or a size or batch below 1.
        VideoUnreadable: no frame can be decoded, or the file is gone.
    """
    if min(width, height, batch_size) < 1:
        raise ValueError(f"size and batch must be at least 1, got {width = }, {height = }, {batch_size = }")
    if any(not earlier <= later for earlier, later in pairwise(times_s)):
        raise ValueError("times_s must not go back")
    work = divide_work(source, times_s, batch_size)
    converter = partial(FrameConverter, source, width, height, fit)
    return _in_order(source, work, converter, hwaccel)


def _in_order(
    source: VideoSource, work: DecodeWork, converter: Callable[[], FrameConverter], hwaccel: HWAccel | None
) -> Iterator[FrameBatch]:
    """The batches of all workers, each of which decodes in a thread of its own."""
    with ExitStack() as running:
        workers = [
            running.enter_context(
                BackgroundIterator(_batches(source, work, worker, converter(), hwaccel), BATCHES_AHEAD)
            )
            for worker in range(work.workers)
        ]
        for worker in work.worker_of:
            yield next(workers[worker])


def _batches(
    source: VideoSource, work: DecodeWork, worker: int, convert: FrameConverter, hwaccel: HWAccel | None
) -> Generator[FrameBatch]:
    """The batches of one worker."""
    batches = work.of(worker)
    moments = [moment for batch in batches for moment in batch]
    frames = frames_on_screen(source, moments, hwaccel, work.workers)
    for batch in batches:
        pixels = np.empty((len(batch), convert.height, convert.width, 3), np.uint8)
        pts_s: list[float] = []
        conditions: list[Condition] = []
        for row, (frame, condition) in enumerate(islice(frames, len(batch))):
            if pts_s and frame.pts_s - source.start_s == pts_s[-1]:
                pixels[row] = pixels[row - 1]
            else:
                pixels[row] = convert(frame.picture)
            pts_s.append(frame.pts_s - source.start_s)
            conditions.append(condition)
        yield FrameBatch(pixels, batch, tuple(pts_s), tuple(conditions))
