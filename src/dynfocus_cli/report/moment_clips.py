"""The moments of a search as files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.moments.moment import Moment, Moments
from dynfocus_cli.report.spans import stem_of
from dynfocus_cli.video.cutting import Cut, cut
from dynfocus_cli.video.timecode import format_timecode


@dataclass(frozen=True, slots=True)
class Clip:
    """A moment, and the file that was written of it, or why there is none."""

    moment: Moment
    cut: Cut | None
    error: Exception | None = None


def cut_clips(moments: Moments, folder: Path, *, exact: bool) -> Iterator[Clip]:
    """A file for each of the ranked moments, as they are written: `clip_00-01-02.500.mp4` of `clip.mp4`.

    One that cannot be written costs no other. Nothing that is there is replaced.

    Args:
        folder: is there.
        exact: encode the pictures anew, to the frame; else they are copied from the sync point before.
    """
    sources = {video.source.path: video.source for video in moments.videos}
    for moment in moments.ranked:
        stem = f"{stem_of(moment.video)}_{format_timecode(moment.start_s).replace(':', '-')}"
        try:
            written = cut(sources[moment.video], moment.start_s, moment.end_s, folder, stem, exact=exact)
            yield Clip(moment, written)
        except Exception as error:
            yield Clip(moment, None, error)
