"""How well a file could be read where it was sampled, and the warnings about it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.types import Health, VideoSource
from dynfocus_cli.video import format_timecode

OFF_BY_S, OFF_BY_SHARE = 1.0, 0.05
"""A declared duration this far from the real one, by both measures, is warned of."""
LISTED = 5
"""Places in a file that a warning names."""


def health_of(source: VideoSource, frames: EncodedFrames) -> Health:
    """Of the frames at all sampled moments."""
    rows = zip(frames.times_s, frames.conditions, strict=True)
    runs = [
        [time_s for time_s, _ in run]
        for damaged, run in groupby(rows, key=lambda row: row[1] != "sound")
        if damaged
    ]
    return Health(
        declared_duration_s=source.declared_duration_s,
        corrupt_frames=frames.conditions.count("corrupt"),
        substituted_frames=frames.conditions.count("substituted"),
        damaged=tuple((times_s[0], times_s[-1]) for times_s in runs),
    )


def file_warnings(source: VideoSource, health: Health) -> tuple[str, ...]:
    """A sentence each for damage, a wrong duration, a clock that starts anew, and colours."""
    return tuple(
        filter(
            None,
            (
                _damage(health),
                _wrong_duration(source),
                _restarts(source),
                source.joined_warning,
                source.colour_warning,
            ),
        )
    )


def _damage(health: Health) -> str:
    if not health.damaged:
        return ""
    spans = [
        format_timecode(start) if start == end else f"{format_timecode(start)} to {format_timecode(end)}"
        for start, end in health.damaged
    ]
    count = health.corrupt_frames + health.substituted_frames
    return (
        f"The file is damaged around {_listed(spans)}: {count} sampled "
        f"{'frame is' if count == 1 else 'frames are'} in doubt, "
        f"{health.substituted_frames} of them replaced by the last good frame before."
    )


def _wrong_duration(source: VideoSource) -> str:
    """Headers that are far from the truth: mostly the file was cut short."""
    declared_s, real_s = source.declared_duration_s, source.duration_s
    if declared_s is None or abs(declared_s - real_s) <= max(OFF_BY_S, OFF_BY_SHARE * real_s):
        return ""
    cut = " The file may be incomplete." if declared_s > real_s else ""
    return (
        f"The file says that it is {format_timecode(declared_s)} long, and its frames last "
        f"{format_timecode(real_s)}.{cut}"
    )


def _restarts(source: VideoSource) -> str:
    """Where recordings were joined, or one was cut, and the clock shows it."""
    if not source.restarts_s:
        return ""
    return (
        f"The file's clock starts anew or jumps at {_listed(list(map(format_timecode, source.restarts_s)))}, "
        "as where recordings were joined: times go on from one part to the next, as players show them."
    )


def _listed(places: Sequence[str]) -> str:
    more = f" and {len(places) - LISTED} more" if len(places) > LISTED else ""
    return f"{', '.join(places[:LISTED])}{more}"
