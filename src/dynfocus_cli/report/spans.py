"""A video as pages and editors show it: its name as text, its events as spans of time."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dynfocus_cli.types import FrameEvidence, Inspection, VideoSource

LONGEST_STEM = 180
"""Bytes of a video's name in a file's: the rest of a file name's 255 is for what follows."""


class Sourced(Protocol):
    """What was made of a video, and tells which: a selection, or the moments of a search."""

    @property
    def source(self) -> VideoSource: ...


class TitledSpan(Protocol):
    """A stretch of a video, in seconds, with a title: an event, a shot or a moment."""

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...

    @property
    def title(self) -> str: ...


@dataclass(frozen=True, slots=True)
class EventSpan:
    """A stretch of the video, named after the most meaningful event that its sampled frames belong to."""

    start_s: float
    end_s: float
    frames: tuple[FrameEvidence, ...]
    """In time order, at least one."""

    @property
    def event(self) -> int:
        """The event of the best frame. An event may have several spans."""
        return self._best.event

    @property
    def score(self) -> float:
        """That event's score."""
        return self._best.score

    @property
    def key_frame(self) -> FrameEvidence | None:
        """The key frame with the highest score; of equals the first."""
        return self._best if self._best.meaningful else None

    @property
    def title(self) -> str:
        """Event 3, score 0.91, key frame 00:00:04.500."""
        key = f", key frame {self.key_frame.timecode}" if self.key_frame else ""
        return f"Event {self.event}, score {self.score:.2f}{key}"

    @property
    def _best(self) -> FrameEvidence:
        return max(self.frames, key=lambda frame: (frame.meaningful, frame.score))


def event_spans(inspection: Inspection) -> tuple[EventSpan, ...]:
    """The events along the sampled part of the video, without gaps: one goes on until another is seen.

    frames at 0.5 1.5 2.5 3.5 s of events 0 0 1 0, sampled from 0 to 4 s -> 0-2.5, 2.5-3.5, 3.5-4
    """
    runs = [tuple(run) for _, run in groupby(inspection.frames, key=lambda frame: frame.event)]
    starts = [inspection.sampling.start_s, *(run[0].time_s for run in runs[1:]), last_moment(inspection)]
    return tuple(
        EventSpan(start_s, end_s, run) for run, (start_s, end_s) in zip(runs, pairwise(starts), strict=True)
    )


def last_moment(inspection: Inspection) -> float:
    """Where the sampled part ends: always behind the last sampled frame, which is on screen for a while."""
    last_s, source = inspection.frames[-1].time_s, inspection.source
    if inspection.sampling.end_s > last_s:
        return inspection.sampling.end_s
    return max(source.duration_s, last_s + (1 / source.fps if source.fps > 0 else 1.0))


def shown_name(path: str) -> str:
    """The file's name as printable text on one line: anything else in it becomes U+FFFD.

    "clips/a\\nb.mp4" -> "a\\ufffdb.mp4"
    """
    name = os.fsencode(os.path.basename(path)).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in name)


def without_controls(text: str) -> str:
    """The text with U+FFFD for what XML does not know: control characters, halves of pairs, no characters.

    What joins the letters of a script, or the parts of an emoji, stays.
    """
    return "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs", "Cn") else char for char in text)


def stem_of(video: str) -> str:
    """A video's name without its suffix, short enough for the names of its files."""
    stem = os.fsencode(Path(video).stem)
    # A long name is cut between two characters; a short one keeps its bytes, whatever they are.
    return os.fsdecode(stem) if len(stem) <= LONGEST_STEM else stem[:LONGEST_STEM].decode("utf-8", "ignore")
