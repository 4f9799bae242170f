"""Which frame is on screen at each planned moment, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from av.codec.hwaccel import HWAccel

from dynfocus_cli.types import Condition, VideoSource
from dynfocus_cli.video.finder import Finder, Irregular, Stretch
from dynfocus_cli.video.playhead import EPSILON_S, Playhead, TimedFrame

MAX_DETOURS = 8
"""Stretches in a row that are not damaged and yet closed to the short way: then the whole file is written
unusually, and trying again at each sync point decodes it twice."""

_HIDDEN_FRAMES = frozenset({"vp8"})
"""Codecs with packets of their own for frames that are never shown, so that a missing frame is no damage."""


def frames_on_screen(
    source: VideoSource, moments_s: Sequence[float], hwaccel: HWAccel | None = None, lanes: int = 1
) -> Iterator[tuple[TimedFrame, Condition]]:
    """The frame on screen at each moment, in seconds; moments do not go back.

    Finder gives the frames of all stretches of the file that are as they should be. Where something is
    irregular, from a moment to the next sync point, Playhead decodes all there is. `lanes` is how many such
    searches share the processors.

    Raises:
        VideoUnreadable: no frame can be decoded, or the file is gone.
    """
    place = detours = 0
    with ExitStack() as opened:
        finder = opened.enter_context(Finder(source, hwaccel, lanes))
        playhead: Playhead | None = None
        while place < len(moments_s):
            try:
                for frame in finder.find(moments_s[place:]):
                    place, detours = place + 1, 0
                    yield frame, "sound"
                return
            except Irregular as irregular:
                damaged = irregular.damaged
            detours += not damaged
            stretch = finder.leave_stretch(moments_s[place])
            playhead = playhead or opened.enter_context(Playhead(source, hwaccel, lanes))
            first = place
            while place < len(moments_s) and (
                place == first
                or detours > MAX_DETOURS
                or source.start_s + moments_s[place] + EPSILON_S < stretch.until_s
            ):
                frame = playhead.at(moments_s[place])
                yield frame, _condition(frame, source, moments_s[place], stretch, damaged)
                place += 1


def _condition(
    frame: TimedFrame, source: VideoSource, moment_s: float, stretch: Stretch, damaged: bool
) -> Condition:
    moment_s += source.start_s + EPSILON_S
    due_s = max((pts_s for pts_s in stretch.due_s if pts_s <= moment_s), default=frame.pts_s)
    if frame.pts_s < due_s - EPSILON_S and source.codec not in _HIDDEN_FRAMES:
        return "substituted"
    return "sound" if frame.sound and not damaged else "corrupt"
