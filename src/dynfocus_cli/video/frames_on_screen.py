"""Which frame is on screen at each planned moment, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from av.codec.hwaccel import HWAccel

from dynfocus_cli.types import Condition, VideoSource
from dynfocus_cli.video.sequential_decoder import SequentialDecoder, TimedFrame
from dynfocus_cli.video.sparse_decoder import IrregularSpan, IrregularStream, SparseDecoder
from dynfocus_cli.video.stream_reader import EPSILON_S

MAX_IRREGULAR_SPANS = 8
"""In a row, not damaged and yet irregular: then the whole file is written unusually, and trying again at each
sync point decodes it twice."""

_HIDDEN_FRAMES = frozenset({"vp8"})
"""Codecs with packets of their own for frames that are never shown, so that a missing frame is no damage."""


def frames_on_screen(
    source: VideoSource, moments_s: Sequence[float], hwaccel: HWAccel | None = None, workers: int = 1
) -> Iterator[tuple[TimedFrame, Condition]]:
    """The frame on screen at each moment, in seconds; moments do not go back.

    `SparseDecoder` gives the frames of a file that is as it should be. From a moment at which something is
    irregular to the next sync point, `SequentialDecoder` decodes all there is. `workers` is how many such
    decoders share the processors.

    Raises:
        VideoUnreadable: no frame can be decoded, or the file is gone.
    """
    place = irregular_spans = 0
    with ExitStack() as opened:
        sparse = opened.enter_context(SparseDecoder(source, hwaccel, workers))
        sequential: SequentialDecoder | None = None
        while place < len(moments_s):
            try:
                for frame in sparse.find(moments_s[place:]):
                    place, irregular_spans = place + 1, 0
                    yield frame, "sound"
                return
            except IrregularStream as irregular:
                damaged = irregular.damaged
            irregular_spans += not damaged
            span = sparse.skip_irregular(moments_s[place])
            sequential = sequential or opened.enter_context(SequentialDecoder(source, hwaccel, workers))
            first = place
            while place < len(moments_s) and (
                place == first
                or irregular_spans > MAX_IRREGULAR_SPANS
                or source.start_s + moments_s[place] + EPSILON_S < span.end_s
            ):
                frame = sequential.at(moments_s[place])
                yield frame, _condition(frame, source, moments_s[place], span, damaged)
                place += 1


def _condition(
    frame: TimedFrame, source: VideoSource, moment_s: float, span: IrregularSpan, damaged: bool
) -> Condition:
    moment_s += source.start_s + EPSILON_S
    expected_s = max((pts_s for pts_s in span.pts_s if pts_s <= moment_s), default=frame.pts_s)
    if frame.pts_s < expected_s - EPSILON_S and source.codec not in _HIDDEN_FRAMES:
        return "substituted"
    return "sound" if frame.intact and not damaged else "corrupt"
