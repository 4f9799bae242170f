"""Moments at which what is looked for is said: subtitles that match, beside what the frames show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from dynfocus_cli.moments.moment import Moment
from dynfocus_cli.types import Span
from dynfocus_cli.video.cues import Cue

LEAST_SHARE = 0.75
"""Of the words looked for, that have to be said: all of up to three, three of four."""
PAUSE_S = 2.0
"""Cues that follow each other within so long are one speech."""
_UNSAID = """
a an the this that these those some any of in on at to from into onto with and or is are was were be being
been has have had do does did it its he she they someone something there his her their
"""
"""Words that tell nothing of what is looked for."""


@dataclass(frozen=True, slots=True)
class WordHit:
    """Subtitles that match."""

    start_s: float
    end_s: float
    score: float
    """Share of the words looked for that are said, 0 to 1."""
    text: str
    """What is on screen."""


def word_hits(caption: str, cues: Sequence[Cue]) -> list[WordHit]:
    """The stretches in which most words of `caption` are said, in time order and apart.

    A word counts in any form that English makes of it (Snowball's stemmer): "jumps" for "jumping". What has
    no spaces between its words, as Chinese, matches as it is written. Words may stand in two cues that
    follow each other without a pause, where neither matches alone.
    """
    wanted = _stems(caption) - _stems(_UNSAID) or _stems(caption)
    as_written = _plain(caption)
    if not wanted:
        return []

    def matching(stretches: Iterable[tuple[Cue, ...]]) -> Iterator[WordHit]:
        for stretch in stretches:
            said = " ".join(cue.text for cue in stretch)
            share = 1.0 if _holds(_plain(said), as_written) else len(wanted & _stems(said)) / len(wanted)
            if share >= LEAST_SHARE:
                yield WordHit(stretch[0].start_s, max(cue.end_s for cue in stretch), share, said)

    hits = list(matching((cue,) for cue in cues))
    for hit in sorted(matching(_pairs(cues)), key=lambda hit: hit.end_s - hit.start_s):
        if not any(hit.start_s < other.end_s and other.start_s < hit.end_s for other in hits):
            hits.append(hit)
    return list(_apart(hits))


def joined(
    found: Sequence[Moment], hits: Iterable[WordHit], video: str, within: Span, frame_s: float
) -> list[Moment]:
    """Moments that frames show and those that are said, in one list.

    Where both overlap they are one moment, with the borders of what the frames show, which are exact, and
    the better of the two scores.

    Args:
        within: the part of the video that is searched, seconds.
        frame_s: how long a frame is on screen, seconds.
    """
    moments = list(found)
    for hit in hits:
        start_s, end_s = max(hit.start_s, within[0]), min(hit.end_s, within[1])
        if not start_s < end_s:
            continue
        shown = [
            place
            for place, moment in enumerate(moments)
            if "picture" in moment.origins and moment.start_s < end_s and start_s < moment.end_s
        ]
        for place in shown:
            both = moments[place]
            text = f"{both.text} {hit.text}" if both.text else hit.text
            moments[place] = replace(
                both, origins=("picture", "words"), text=text, score=max(both.score, hit.score)
            )
        if not shown:
            moments.append(
                Moment(video, start_s, end_s, hit.score, start_s, frame_s, origins=("words",), text=hit.text)
            )
    return moments


def _pairs(cues: Sequence[Cue]) -> Iterator[tuple[Cue, Cue]]:
    """Each two cues that follow each other without a pause."""
    for one, other in pairwise(cues):
        if other.start_s - one.end_s <= PAUSE_S:
            yield one, other


def _apart(hits: Iterable[WordHit]) -> Iterator[WordHit]:
    """The hits in time order, those without a pause between them as one."""
    run: WordHit | None = None
    for hit in sorted(hits, key=lambda hit: hit.start_s):
        if run is not None and hit.start_s - run.end_s <= PAUSE_S:
            score = max(run.score, hit.score)
            run = WordHit(run.start_s, max(run.end_s, hit.end_s), score, f"{run.text} {hit.text}")
            continue
        if run is not None:
            yield run
        run = hit
    if run is not None:
        yield run


def _plain(text: str) -> str:
    """Small letters without accents and punctuation, one space between words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", letters.replace("'", "").replace("’", "")))


def _holds(said: str, wanted: str) -> bool:
    """Whether it is said as it is written: between spaces, or anywhere where a language has none."""
    if any(ord(char) >= 0x2E80 for char in wanted):  # from here on scripts of East Asia
        return wanted.replace(" ", "") in said.replace(" ", "")
    return f" {wanted} " in f" {said} "


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(_stem, _plain(text).split()))


@cache
def _stem(word: str) -> str:
    from snowballstemmer import stemmer

    return str(stemmer("english").stemWord(word))
