"""Exact frames at planned moments, scaled while they are still in the decoder's format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, pairwise

import numpy as np
from av.codec.hwaccel import HWAccel

from dynfocus_cli.types import Condition, FrameBatch, VideoSource
from dynfocus_cli.video.lanes import MAX_CHUNK_BATCHES, Lanes, share_out
from dynfocus_cli.video.run_ahead import RunAhead
from dynfocus_cli.video.screen import frames_on_screen
from dynfocus_cli.video.upright import Fit, Upright

BATCHES_AHEAD = MAX_CHUNK_BATCHES
"""Decoded batches of a lane that may wait: a chunk, so that no lane waits while another's turn is on."""


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
    it covers them and cuts off equally on both sides. Decoding goes on in threads of its own while the caller
    works, a bounded number of batches ahead: memory does not grow with the video's length.

    Raises:
        ValueError: moments that go back, or a size or batch below 1.
        VideoUnreadable: no frame can be decoded, or the file is gone.
    """
    if min(width, height, batch_size) < 1:
        raise ValueError(f"size and batch must be at least 1, got {width = }, {height = }, {batch_size = }")
    if any(not earlier <= later for earlier, later in pairwise(times_s)):
        raise ValueError("times_s must not go back")
    return _in_order(source, share_out(source, times_s, batch_size), width, height, fit, hwaccel)


def _in_order(
    source: VideoSource, lanes: Lanes, width: int, height: int, fit: Fit, hwaccel: HWAccel | None
) -> Iterator[FrameBatch]:
    """The batches of all lanes, each decoded in a thread of its own."""
    with ExitStack() as running:
        ahead = [
            running.enter_context(RunAhead(_batches(source, lanes, lane, upright, hwaccel), BATCHES_AHEAD))
            for lane in range(lanes.count)
            for upright in [Upright(source, width, height, fit)]
        ]
        for lane in lanes.lane_of:
            yield next(ahead[lane])


def _batches(
    source: VideoSource, lanes: Lanes, lane: int, upright: Upright, hwaccel: HWAccel | None
) -> Iterator[FrameBatch]:
    """The batches of one lane."""
    batches = lanes.of(lane)
    moments = [moment for batch in batches for moment in batch]
    frames = frames_on_screen(source, moments, hwaccel, lanes.count)
    for batch in batches:
        pixels = np.empty((len(batch), upright.height, upright.width, 3), np.uint8)
        pts_s: list[float] = []
        conditions: list[Condition] = []
        for row, (frame, condition) in enumerate(islice(frames, len(batch))):
            if pts_s and frame.pts_s - source.start_s == pts_s[-1]:
                pixels[row] = pixels[row - 1]
            else:
                pixels[row] = upright(frame.picture)
            pts_s.append(frame.pts_s - source.start_s)
            conditions.append(condition)
        yield FrameBatch(pixels, batch, tuple(pts_s), tuple(conditions))
