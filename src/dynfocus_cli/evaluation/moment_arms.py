"""Ways of finding moments with the same sampled frames, the same scores and the same threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from types import MappingProxyType

from dynfocus_cli.dpe.density_peaks import cluster
from dynfocus_cli.evaluation.arm import Arm
from dynfocus_cli.evaluation.item import RankedSpan
from dynfocus_cli.moments.embedding import VideoVectors
from dynfocus_cli.moments.moment import Curve
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.search import curve_of, search
from dynfocus_cli.options import DecodingOptions, FindOptions
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import Span, VideoSource

WINDOW_S = 4.0
"""Length of an even window, and of the stretch around the best frame, seconds."""
EVENT_NEIGHBOURS = 5
"""C of the density, as the connector and the frame selectors have it."""
TOUCHING_S = 1e-6
"""Stretches closer than this are one, seconds."""


@dataclass(frozen=True, slots=True)
class MomentQuery:
    """A query on a video whose frames are embedded."""

    source: VideoSource
    frames: VideoVectors
    caption: str
    retriever: Retriever
    options: FindOptions
    decoding: DecodingOptions
    events: int
    """The most events that the frames are grouped into, L."""
    watch: Stopwatch

    @property
    def threshold(self) -> float:
        """The probability from which on a frame counts as showing what the caption says."""
        given = self.options.threshold
        return self.retriever.threshold if given is None else given

    def curve(self) -> Curve:
        """How well each frame fits the caption."""
        with self.watch("select"):
            return curve_of(self.frames, self.caption, self.retriever)


@dataclass(frozen=True, slots=True)
class Findings:
    """What an arm made of a query."""

    moments: tuple[RankedSpan, ...]
    """The best first."""
    curve: Curve
    frames_refined: int = 0
    """Decoded for borders, beside the sampled ones."""


@dataclass(frozen=True, slots=True)
class MomentArm(Arm):
    """A way of finding moments."""

    find: Callable[[MomentQuery], Findings]


def _searched(query: MomentQuery) -> Findings:
    """As `dynfocus find` does, with exact borders."""
    result = search(
        query.source,
        query.frames,
        query.caption,
        query.retriever,
        query.options,
        decoding=query.decoding,
        watch=query.watch,
    )
    moments = tuple(RankedSpan(one.start_s, one.end_s, one.score) for one in result.moments)
    return Findings(moments, result.curve, result.frames_refined)


def _best_frame(query: MomentQuery) -> Findings:
    """Two seconds to either side of the frame with the best score."""
    curve = query.curve()
    score, time_s = max(zip(curve.scores, curve.times_s, strict=True), key=lambda frame: frame[0])
    if score < query.threshold:
        return Findings((), curve)
    start_s = max(query.frames.within[0], time_s - WINDOW_S / 2)
    end_s = min(query.frames.within[1], time_s + WINDOW_S / 2)
    return Findings((RankedSpan(start_s, end_s, score),), curve)


def _events(query: MomentQuery) -> Findings:
    """The stretches of DPE's events (T-DPC over the frames' vectors), borders half-way between frames."""
    curve = query.curve()
    vectors = query.frames.vectors.float()
    with query.watch("select"):
        clusters = cluster(vectors, min(query.events, len(vectors)), EVENT_NEIGHBOURS)
        stretches = list(stretches_of(clusters.assignment.tolist(), query.frames))
    return _above_threshold(query, curve, stretches)


def _even_windows(query: MomentQuery) -> Findings:
    """Windows of equal length, whatever is in them."""
    start_s, end_s = query.frames.within
    count = max(1, round((end_s - start_s) / WINDOW_S))
    edges = [start_s + (end_s - start_s) * place / count for place in range(count + 1)]
    return _above_threshold(query, query.curve(), list(pairwise(edges)))


def stretches_of(events: Sequence[int], frames: VideoVectors) -> Iterator[Span]:
    """Where each event begins and ends: half-way between its frames and the next ones.

    events 0 0 1, at 0, 1 and 2 s of 3 -> 0 to 1.5, 1.5 to 3
    """
    times_s = frames.times_s
    start_s = frames.within[0]
    last = -1
    for _, members in groupby(events):
        last += len(list(members))
        is_end = last + 1 == len(times_s)
        end_s = frames.within[1] if is_end else (times_s[last] + times_s[last + 1]) / 2
        yield start_s, end_s
        start_s = end_s


def _above_threshold(query: MomentQuery, curve: Curve, stretches: Sequence[Span]) -> Findings:
    """The stretches whose best frame reaches the threshold, those that touch as one, the best first."""
    found: list[RankedSpan] = []
    for start_s, end_s in stretches:
        inside = [
            score
            for time_s, score in zip(curve.times_s, curve.scores, strict=True)
            if start_s <= time_s < end_s or time_s == end_s == query.frames.within[1]
        ]
        score = max(inside, default=0.0)
        if not inside or score < query.threshold or end_s <= start_s:
            continue
        if found and start_s - found[-1].end_s < TOUCHING_S:
            found[-1] = RankedSpan(found[-1].start_s, end_s, max(score, found[-1].score))
        else:
            found.append(RankedSpan(start_s, end_s, score))
    best = sorted(found, key=lambda one: (-one.score, one.start_s))
    return Findings(tuple(best[: query.options.top]), curve)


MOMENT_ARMS: Mapping[str, MomentArm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            MomentArm("find", "find", _searched),
            MomentArm("frame", "best frame, 2 s around it", _best_frame),
            MomentArm("events", "events without refinement", _events),
            MomentArm("windows", "even windows", _even_windows),
        )
    }
)
DEFAULT_MOMENT_ARMS = tuple(MOMENT_ARMS)
