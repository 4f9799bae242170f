"""A video as an editor cuts it: scenes that look different, with borders where the picture changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dynfocus_cli.report.spans import EventSpan, event_spans, last_moment
from dynfocus_cli.video.decode import decode_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dynfocus_cli.types import FrameEvidence, Inspection, VideoSource

    Picture = NDArray[np.float32]
    """(SIDE, SIDE, 3), RGB, 0 to 255."""

SIDE = 32
"""Pixels a side of the pictures that are compared: noise and the edges of things are averaged away."""

LEAST_STEP = 24
"""Levels of 255 that a colour has to move by to count as changed: more than compression and noise do."""

LEAST_SHARE = 0.25
"""Of the picture that changes from one scene to the next. What moves within a generated scene changes 0.10
from second to second at most, and a new scene at least 0.44; a head in front of a camera 0.2."""

BATCH = 16


class _Run(NamedTuple):
    """Consecutive sampled frames that belong together."""

    frames: tuple[FrameEvidence, ...]
    mean: Picture
    first: Picture
    last: Picture

    def joined(self, other: _Run) -> _Run:
        """This run and the one after it as one."""
        weight = len(self.frames) / (len(self.frames) + len(other.frames))
        mean = np.float32(weight) * self.mean + np.float32(1 - weight) * other.mean
        return _Run(self.frames + other.frames, mean, self.first, other.last)


def scenes(inspection: Inspection) -> tuple[EventSpan, ...]:
    """The sampled part of the video without gaps: its events in time order, merged where nothing changed.

    Neighbours that look alike become one, the most alike first, until all look different. Between the last
    sampled frame of one and the first of the next, a border lies on the first displayed frame that looks more
    like the latter.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    runs = _merged(list(_runs(inspection)))
    borders = _borders(inspection.source, list(pairwise(runs)))
    moments = [inspection.sampling.start_s, *borders, last_moment(inspection)]
    return tuple(
        EventSpan(start_s, end_s, run.frames)
        for run, (start_s, end_s) in zip(runs, pairwise(moments), strict=True)
    )


def changed_share(one: Picture, other: Picture) -> float:
    """The part of the picture whose colour moves by more than LEAST_STEP, 0 to 1."""
    return float((np.abs(one - other).max(axis=-1) > LEAST_STEP).mean())


def _runs(inspection: Inspection) -> Iterator[_Run]:
    """The events along the video."""
    frames = inspection.frames
    pictures = _pictures(inspection.source, [frame.time_s for frame in frames])
    for span in event_spans(inspection):
        first = last = next(pictures)[0]
        total = first.copy()
        for _ in span.frames[1:]:
            last = next(pictures)[0]
            total += last
        yield _Run(span.frames, total / np.float32(len(span.frames)), first, last)


def _merged(runs: list[_Run]) -> list[_Run]:
    """Runs of which no two neighbours look alike."""
    shares = [changed_share(one.mean, other.mean) for one, other in pairwise(runs)]
    while shares and min(shares) < LEAST_SHARE:
        at = shares.index(min(shares))
        runs[at : at + 2] = [runs[at].joined(runs[at + 1])]
        del shares[at]
        for pair in range(max(at - 1, 0), min(at + 1, len(shares))):
            shares[pair] = changed_share(runs[pair].mean, runs[pair + 1].mean)
    return runs


def _borders(source: VideoSource, pairs: Sequence[tuple[_Run, _Run]]) -> list[float]:
    """When the second run of each pair begins, found by halving the time between the two, for all at once.

    before 2.0 s, after 3.0 s: 2.5 looks like after, 2.25 like before, ... -> the frame shown from 2.28 s on
    """
    before = [left.frames[-1].time_s for left, _ in pairs]
    after = [right.frames[0].time_s for _, right in pairs]
    close_s = (1 / source.fps if source.fps > 0 else 1.0) / 4
    while not all(late - early < close_s for early, late in zip(before, after, strict=True)):
        middles = [(early + late) / 2 for early, late in zip(before, after, strict=True)]
        for number, (picture, shown_s) in enumerate(_pictures(source, middles)):
            left, right = pairs[number]
            if np.abs(picture - right.first).mean() < np.abs(picture - left.last).mean():
                # On screen already when it was sampled: the border is where it appeared.
                after[number] = max(min(shown_s, middles[number]), before[number])
            else:
                before[number] = middles[number]
    return after


def _pictures(source: VideoSource, times_s: Sequence[float]) -> Iterator[tuple[Picture, float]]:
    """The frames on screen at these times, small, and since when each is there (seconds)."""
    batches = decode_frames(source, times_s, width=SIDE, height=SIDE, fit="squash", batch_size=BATCH)
    for batch in batches:
        yield from zip(batch.pixels.astype(np.float32), batch.pts_s, strict=True)
