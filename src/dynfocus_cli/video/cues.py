"""Cues of subtitles as a reader needs them: plain text, in time order, each said once."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html.entities import html5
from itertools import pairwise

MAX_CUE_CHARACTERS = 1000
"""Of one cue's text; two lines of speech have a tenth of it."""

MAX_MARKED_CHARACTERS = 4 * MAX_CUE_CHARACTERS
"""The same before its markup is taken off, which takes time with the square of it."""

ROLL_GAP_S = 0.25
"""Captions that roll up follow each other without a pause; rounding and frame rates leave less than this."""

MIN_ROLLS = 2
"""Of cues in a row that begin with the lines before and add one; one alone may be two people's same words."""

_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_MARKUP = re.compile(r"\{[^{}]*\}|</?[A-Za-z][^<>]*>|<\d[\d:.]*>")
_BREAK = re.compile(r"\\[Nnh]")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,31}\d{0,2});")


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is on screen, in seconds from where players begin."""

    start_s: float
    end_s: float
    text: str
    """One line, without markup."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """A cue before its lines are joined."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]

    def repeats(self, before: _Lines) -> int:
        """How many of its first lines were the last ones before, if it follows without a pause:
        ["a", "b"], ["b", "c"] -> 1."""
        if self.start_s - before.end_s > ROLL_GAP_S:
            return 0
        lengths = range(min(len(self.lines), len(before.lines)), 0, -1)
        return next((n for n in lengths if before.lines[-n:] == self.lines[:n]), 0)


def tidy_cues(cues: Iterable[tuple[float, float, str]]) -> tuple[Cue, ...]:
    """Start, end and marked-up text of cues -> cues in time order, without empty ones.

    A text repeated while it is still on screen (a shadow, a second layer) is one cue. Captions that roll up
    show each line twice or more, and give a cue a line, which lasts as long as the line is on screen:

        0-1 "one"   1-2 "one / two"   2-3 "two / three"     ->   0-2 "one"   1-3 "two"   2-3 "three"

    The same words said again are a cue of their own, whether there is a pause or not.
    """
    tidy = list[Cue]()
    for run in _runs(_single(_read(cues))):
        for cue in _rolled(run) if _rolls(run) else run:
            tidy.append(Cue(cue.start_s, cue.end_s, " ".join(cue.lines)[:MAX_CUE_CHARACTERS]))
    return tuple(tidy)


def _read(cues: Iterable[tuple[float, float, str]]) -> Iterator[_Lines]:
    """Cues as plain lines, in time order, without empty ones and those that are never on screen."""
    for start_s, end_s, text in sorted(cues, key=lambda cue: cue[0]):
        parts = _BREAK.sub("\n", _DRAWING.sub("", text[:MAX_MARKED_CHARACTERS])).split("\n")
        lines = tuple(line for part in parts if (line := _plain(part)))
        if math.isfinite(start_s) and end_s > max(start_s, 0.0) and lines:
            yield _Lines(max(start_s, 0.0), end_s, lines)


def _plain(line: str) -> str:
    """A line without markup and control characters, with single spaces."""
    text = _REFERENCE.sub(_character, _MARKUP.sub("", line))
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _character(reference: re.Match[str]) -> str:
    """What a character reference like `&amp;` or `&#39;` stands for; one that stands for nothing is text."""
    return (
        html.unescape(reference[0]) if reference[0][1] == "#" else html5.get(reference[0][1:], reference[0])
    )


def _single(cues: Iterable[_Lines]) -> list[_Lines]:
    """Joins cues that show the same text at the same time."""
    single = list[_Lines]()
    latest = dict[tuple[str, ...], int]()
    for cue in cues:
        place = latest.get(cue.lines)
        if place is not None and cue.start_s < single[place].end_s:
            single[place] = replace(single[place], end_s=max(single[place].end_s, cue.end_s))
        else:
            latest[cue.lines] = len(single)
            single.append(cue)
    return single


def _runs(cues: Iterable[_Lines]) -> Iterator[list[_Lines]]:
    """Cues in a row, each of which begins with the last lines of the one before; most are alone."""
    run = list[_Lines]()
    for cue in cues:
        if run and not cue.repeats(run[-1]):
            yield run
            run = []
        run.append(cue)
    if run:
        yield run


def _rolls(run: list[_Lines]) -> bool:
    """Whether the lines of a run move up as new ones come, instead of being said again."""
    return sum(cue.repeats(before) < len(cue.lines) for before, cue in pairwise(run)) >= MIN_ROLLS


def _rolled(run: list[_Lines]) -> list[_Lines]:
    """A cue for what each cue of the run adds, which ends when its last line leaves the screen."""
    cues = list[_Lines]()
    on_screen = list[int]()
    """For each line on screen, the place in `cues` of the one that it came with."""
    for before, cue in zip([None, *run], run, strict=False):
        old = 0 if before is None else cue.repeats(before)
        on_screen = on_screen[len(on_screen) - old :]
        for place in set(on_screen):
            cues[place] = replace(cues[place], end_s=max(cues[place].end_s, cue.end_s))
        if fresh := cue.lines[old:]:
            on_screen += [len(cues)] * len(fresh)
            cues.append(replace(cue, lines=fresh))
    return cues
