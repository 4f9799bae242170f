"""Moments as editors and players take them: in time order, with titles."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dynfocus_cli.moments.moment import Moment, Moments, VideoMoments
from dynfocus_cli.report.spans import without_controls

LONGEST_CAPTION = 60
"""Characters of what was looked for, in a title."""


@dataclass(frozen=True, slots=True)
class MomentSpan:
    """A moment with a title."""

    rank: int
    """From 1, among all that were found."""
    moment: Moment
    caption: str

    @property
    def start_s(self) -> float:
        """Seconds."""
        return self.moment.start_s

    @property
    def end_s(self) -> float:
        """Seconds."""
        return self.moment.end_s

    @property
    def title(self) -> str:
        """a red circle, no. 1, score 0.93."""
        said = without_controls(" ".join(self.caption.split())).replace("-->", "->")
        if len(said) > LONGEST_CAPTION:
            said = f"{said[: LONGEST_CAPTION - 1].rstrip()}…"
        return f"{said}, no. {self.rank}, score {self.moment.score:.2f}"


def moment_spans(moments: Moments) -> tuple[MomentSpan, ...]:
    """Those of the ranking, in time order."""
    ranked = enumerate(moments.ranked, start=1)
    spans = (MomentSpan(rank, moment, moments.caption) for rank, moment in ranked)
    return tuple(sorted(spans, key=lambda span: (span.moment.video, span.start_s)))


def of_video(moments: Moments, video: VideoMoments) -> Moments:
    """What was found in one of the videos, as far as it is in the ranking."""
    own = tuple(moment for moment in moments.ranked if moment.video == video.source.path)
    return replace(moments, videos=(replace(video, moments=own),), failures=())
