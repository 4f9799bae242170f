"""The moments of a search for a reader: an aligned table on a terminal, tab-separated lines in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.moments.moment import Moment, Moments
from dynfocus_cli.report.spans import shown_name
from dynfocus_cli.video.timecode import format_timecode

STAGES = ("decode", "encode", "select", "generate", "total")
LEAST_NAME = 16
"""Characters that a video's name has at least; where they are not left it has a line of its own."""
COLUMNS = ("video", "start_s", "end_s", "start", "end", "score", "best_s", "origins", "log_odds", "text")


def aligned_moments(moments: Moments, width: int, *, with_video: bool) -> list[str]:
    """The ranking as lines of text with aligned columns; the first line is the heading.

    Args:
        width: characters of a line; names of videos and what is said are cut to it.
        with_video: whether each line names its video.
    """
    ranked = moments.ranked
    asked = any(moment.log_odds is not None for moment in ranked)
    heading = ["", "from", "to", "length", "score", *(["log-odds"] if asked else []), "found in"]
    rows = [heading]
    for rank, moment in enumerate(ranked, start=1):
        odds = [] if not asked else ["" if moment.log_odds is None else f"{moment.log_odds:+.2f}"]
        rows.append(
            [
                str(rank),
                format_timecode(moment.start_s),
                format_timecode(moment.end_s),
                f"{moment.length_s:.2f} s",
                f"{moment.score:.2f}",
                *odds,
                " + ".join(moment.origins),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    last = len(heading) - 1
    lines = [
        "  ".join(
            cell.ljust(widths[column]) if column == last else cell.rjust(widths[column])
            for column, cell in enumerate(row)
        )
        for row in rows
    ]
    room, indent = width - len(lines[0]) - 2, " " * (widths[0] + 2)
    beside = with_video and room >= LEAST_NAME
    shown = [f"{lines[0]}  video" if beside else lines[0].rstrip()]
    for line, moment in zip(lines[1:], ranked, strict=True):
        name, said = shown_name(moment.video), " ".join(moment.text.split())
        shown.append(f"{line}  {_within(name, room)}" if beside else line.rstrip())
        if with_video and not beside:
            shown.append(indent + _within(name, max(LEAST_NAME, width - len(indent))))
        if said:
            shown.append(f"{indent}“{_within(said, max(LEAST_NAME, width - len(indent) - 2), at_end=True)}”")
    return shown


def separated_moments(ranked: Sequence[Moment], *, with_header: bool) -> list[str]:
    """The ranking as tab-separated lines."""
    rows = [COLUMNS] if with_header else []
    for moment in ranked:
        rows.append(
            (
                # A tab or line break in a file name would be read as a column or a row.
                " ".join(moment.video.splitlines()).replace("\t", " "),
                f"{moment.start_s:.3f}",
                f"{moment.end_s:.3f}",
                format_timecode(moment.start_s),
                format_timecode(moment.end_s),
                f"{moment.score:.4f}",
                f"{moment.best_s:.3f}",
                "+".join(moment.origins),
                "" if moment.log_odds is None else f"{moment.log_odds:.4f}",
                " ".join(moment.text.split()),
            )
        )
    return ["\t".join(row) for row in rows]


def not_found(moments: Moments) -> str:
    """A sentence that says that nothing was found, and where; another one where the threshold that decided
    that was not measured, with what a lower one would have found first."""
    videos, count = moments.videos, moments.count
    where = "the video" if count == 1 else f"any of {count} videos"
    sentence = f"“{moments.caption}” was not found in {where}."
    threshold = moments.threshold
    scored = [
        (score, -place, -time_s)
        for place, video in enumerate(videos)
        for time_s, score in zip(video.curve.times_s, video.curve.scores, strict=True)
    ]
    if threshold is None or threshold.origin != "unmeasured" or not scored:
        return sentence
    score, place, time_s = max(scored)
    of = "" if count == 1 else f" of {shown_name(videos[-place].source.path)}"
    return (
        f"{sentence} The best frame, at {format_timecode(-time_s)}{of}, has a probability of {score:.2g}; "
        f"{threshold.value:.2g} counts as found, which was not measured for {moments.model.name}: "
        "`threshold` sets another."
    )


def summary(moments: Moments) -> list[str]:
    """What was looked at and what it took, a line each."""
    frames = moments.frames
    refined = sum(video.frames_refined for video in moments.videos)
    looked = f"{frames} frames looked at" if frames != 1 else "1 frame looked at"
    if moments.count > 1:
        looked += f" in {moments.count} videos"
    parts = [looked, *([f"{refined} more to find the borders"] if refined else []), moments.model.name]
    stages = {stage: sum(getattr(each, stage) for each in moments.timed) for stage in STAGES}
    spent = [f"{stage} {seconds:.2f} s" for stage, seconds in stages.items() if seconds >= 0.005]
    return [", ".join(parts), *([", ".join(spent)] if spent else [])]


def _within(text: str, width: int, *, at_end: bool = False) -> str:
    """`text` cut to so many characters: at its end, or in the middle, since the ends of names tell them
    apart."""
    if len(text) <= width:
        return text
    if at_end:
        return f"{text[: width - 1].rstrip()}…"
    begin = (width - 1) // 2
    return f"{text[:begin]}…{text[len(text) - (width - 1 - begin) :]}"
