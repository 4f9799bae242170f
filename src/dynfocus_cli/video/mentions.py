"""Times that a question names: "at 08:00", "between 1:20 and 2:05", "in the last 30 seconds"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import Span
from dynfocus_cli.video.time_wordings import in_english, with_plain_digits
from dynfocus_cli.video.timecode import format_timecode, parse_time

_CUE_CHARACTERS = 20
"""Of "at exactly the " or "minutes " before a time."""

_LONGEST_S = 100 * 60
"""From here on `mm:ss` has a third digit."""

_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90,
}  # fmt: skip
_ORDINALS = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10,
}  # fmt: skip
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}

# What follows may make it something else: "5 s/m", "1:20:99:1", "90s-style", "4:305".
_STOP = r"(?![\w/%]|[.:][0-9]|-[a-z])"
# 1,200 is one number, and of 12,5 and .5 the 5 is none.
_NUMBER = (
    r"(?<![.0-9])(?<![0-9],)\b(?:[0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,6}(?:\.[0-9]{1,3})?"
    rf"|{'|'.join(_WORDS)})(?!,[0-9])"
)
# A lone "m" or "h" is no unit here: "at 5 m" is a distance, "2h" seldom a position.
_S, _M, _H = r"(?:seconds?|secs?|s)\b", r"(?:minutes?|mins?)\b", r"(?:hours?|hrs?)\b"
_UNIT = rf"(?:{_S}|{_M}|{_H})"
_CODE = r"\b(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{2}(?:\.[0-9]{1,3})?"  # 08:00, 1:02:03.5; not the ratio 16:9
_COMPACT = (
    r"\b(?:(?:[0-9]{1,2}h)?[0-9]{1,3}m[0-9]{1,2}(?:\.[0-9]{1,3})?s|[0-9]{1,2}h[0-9]{1,2}m)"  # 2m30s, 1h2m
)
# "2 minutes and 30 seconds" is one length, for its units get smaller; "2 minutes and 3 minutes" is two.
_JOIN = r",?(?: and)? "
_SECONDS = rf"{_NUMBER}[ -]?{_S}"
_MINUTES = rf"{_NUMBER}[ -]?{_M}(?:{_JOIN}{_SECONDS})?"
_LENGTH = rf"(?:{_NUMBER}[ -]?{_H}(?:{_JOIN}(?:{_MINUTES}|{_SECONDS}))?|{_MINUTES}|{_SECONDS})"
_TIME = rf"(?:{_CODE}|{_COMPACT}|{_LENGTH}){_STOP}"
_ORDINAL = rf"(?:(?P<number>[1-9][0-9]{{0,5}})(?:st|nd|rd|th)|(?P<word>{'|'.join(_ORDINALS)}))"
_TO = r"(?:to|until|till|through|and|-|–|—)"
_ABOUT = r"(?:about |around |roughly |exactly )?"
_VAGUE = re.compile(
    r"(?:\bat (?:the )?)?\b(?:about|around|roughly|exactly) (?:the )?$|@ ?$", re.ASCII | re.IGNORECASE
)
"""Cues that say no more than "at"."""
_NAMED = r"(?:(?:minute|second)s? )?"  # "at minute 1:12"
_FLAGS = re.ASCII | re.IGNORECASE  # ASCII: without it the long s of old print would be an "s"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, _FLAGS)


def _listed(time: str) -> str:
    """`time`, or several of them: "0:05, 0:10 and 0:15".

    Atomic groups and a bound: else a long list that leads to nothing is read again from each of its times,
    in each way to divide it.
    """
    return rf"(?P<times>(?>{time})(?:(?:,? (?:and|or) |, ?)(?>{time})){{0,15}})"


_NO_RATIO = r"(?! (?:aspect|ratio|format|screen|score)\b)"
_NO_AMOUNT = r"(?! (?:of|per|each|long|longer|later|earlier|apart|old|ago)\b)"
_VIDEO = r"(?:the|this) (?:video|clip|film|movie|recording|footage)\b(?! game)"
# "in the first minute of the second half"
_OF_PART = (
    r" (?:of|in) the (?:first|second|third|fourth|1st|2nd|3rd|4th|last|final|next|other) "
    r"(?:half|period|quarter|inning|set|round|lap)\b"
)
_THE_START = rf"(?: (?:the )?(?:start|beginning)| {_VIDEO} (?:starts|begins))\b"
_OFFSET = rf" (?:after(?!{_THE_START})|before)\b"  # "at 1 minute and 5 seconds before the cut"
_NO_OFFSET = rf"(?!{_OFFSET})"
# "in the last 10 seconds before the end", but not "before 0:30"
_OF_VIDEO = rf"(?!{_OF_PART}| (?:after(?!{_THE_START})|before(?! the (?:very )?end\b| {_VIDEO} ends\b))\b)"
_THE_END = rf"(?:from|before) the (?:very )?end\b(?! of (?!{_VIDEO}\b))"
_NOT_FROM_END = rf"(?! {_THE_END})"
_EACH = _pattern(rf"{_CODE}|{_COMPACT}|{_LENGTH}")

_TIME_OF_DAY = _pattern(
    rf"(?:(?:between|from) {_CODE} ?{_TO} ?|{_CODE} ?[-–—] ?)?{_CODE}"
    r"(?: ?(?:[ap]\.? ?m\b|o['’]?clock\b)"
    r"| (?:in the (?:morning|afternoon|evening)|at night|today|tonight)\b)"
)
# "What does he take around 1:20" and "what is he waiting for around 1:20" ask about a position.
_NO_THING = "".join(
    rf"(?<!\b{word} )"
    for word in ("he", "she", "they", "who", "you", "we", "i", "looking", "reach", "reaching", "waiting")
)
_DURATION = _pattern(
    rf"(?:{_NO_THING}\b(?:for|takes?|took|taking)|\b(?:takes?|took|taking) (?:him|her|it|them|us|you|me)"
    r"|\blast(?:s|ed|ing)?|\bspen(?:ds?|t|ding)|\ban? [\w-]+ of|\b(?:ends?|starts?|begins?|stops?) in)"
    rf"(?: (?:only|just|at least))? (?:(?:about|around) (?>{_LENGTH})|about (?>{_CODE}|{_COMPACT})){_STOP}"
    r"(?! in(?:to\b| ?[,.?!;]| ?$)|[ -](?:mark|point))"
)
"""How long something lasts: "for around 30 seconds"."""
_LASTING = _pattern(
    r"\b((?:(?:do|does|did|will|can|could|would|must|should|may|might)(?:n['’]t)? (?:not )?"
    r"(?:(?:the|an?|its|his|her|their|our|my|your|this|that|these|those|each|every) (?:[\w:.'’-]+ ){0,4})?"
    r"(?!(?:the|an?|its|his|her|their|our|my|your|these|those|each|every|very|entire|whole|first|and|or|in|to"
    r"|during|within|over|of|for|from|throughout|with|at|on|than|about|show|see) )[\w:'’-]+(?<!['’]s) "
    r"(?:only |just |really |still |ever |also |at least )?"
    r"|(?:seems?|appears?|has|have|had|needs?|going|able|supposed|expected|likely|meant|enough) to ))"
    rf"last(?= {_LENGTH})"
)
"""A verb, after an auxiliary and its subject: "does the applause last 10 seconds"."""
_GAME = (
    r"(?:half|halftime|period|quarter|inning|set|round|lap|race|game|match|fight|bout|song|overtime)\b"
    r"(?! (?:[\w-]+ )?(?:video|clip|film|movie|recording|footage|tape|trailer|stream|room|area)\b)"
)
_ELSEWHERE = _pattern(
    rf"(?:\b(?:between|from) (?:{_TIME}|{_NUMBER}) ?{_TO} ?)?(?:{_TIME}(?:{_OF_PART}"
    rf"| into (?:(?:the|this|that|his|her|their|its|an?) (?:[\w'’-]+ )?{_GAME}|overtime\b|extra time\b)"
    rf"| (?:left|to go) (?:on|in) (?:the|this) (?:clock|timer|(?:[\w-]+ )?{_GAME})| remaining\b)"
    # Not "who is at 0:15 left?", nor "who gets up at 30 seconds to go out?".
    rf"|(?>{_LENGTH}) (?:left|to go|left to (?:go|play))(?= ?[,.?!;:)]| ?$))"
)
"""Counted from something else than the start of the video: "30 seconds into the second half"."""
# Else a participle: "is the door closing 10 seconds later", "... 5 seconds into the video".
_NO_PARTICIPLE = (
    rf"(?! (?>{_LENGTH}) (?:(?:later|earlier|apart|into|from the (?:very )?end)\b|in(?= ?[,.?!;]|$)))"
)
_SPANS = (
    _pattern(
        rf"\b(?:between|from) (?:the )?{_NAMED}(?P<start>{_TIME}) ?{_TO} ?{_NAMED}(?P<end>{_TIME})"
        rf"{_NOT_FROM_END}"
    ),
    _pattern(
        rf"\b(?:between|from) (?P<unit>(?:second|minute)s?) (?P<start>{_NUMBER}) ?{_TO} ?{_NAMED}"
        rf"(?P<end>{_NUMBER}){_STOP}"
    ),
    # "between 20 and 30 seconds": the unit is said once.
    _pattern(
        rf"\b(?:between|from) (?P<start>{_NUMBER}) ?{_TO} ?(?P<end>{_NUMBER}[ -]?(?P<unit>{_UNIT}){_STOP})"
        rf"{_NOT_FROM_END}"
    ),
    _pattern(rf"(?<![\w:.])(?P<start>{_CODE}) ?(?:to|[-–—]) ?(?P<end>{_CODE}{_STOP})"),
)
_EDGES = (
    _pattern(
        rf"\b(?P<edge>first|initial|last|final|(?:opening|closing){_NO_PARTICIPLE}) (?P<length>{_LENGTH})"
        rf"{_STOP}{_OF_VIDEO}"
    ),
    # Only "in the last minute": a "last minute goal" and a "first, second and third" name no time.
    _pattern(
        r"\b(?:in|during|within|over|of) the (?:very )?"
        r"(?P<edge>first|1st|opening|initial|last|final|closing) "
        rf"(?P<length>second|minute|hour){_STOP}{_OF_VIDEO}"
    ),
)
_NUMBERED = _pattern(
    rf"\b(?:at|in|around|near|during|within|throughout) the {_ORDINAL} (?P<unit>minute|hour)"
    rf"{_STOP}(?![ -](?:mark|point)){_OF_VIDEO}"
)
"""A minute is long, and the first begins at 0; a numbered second is a moment, the one that a player shows."""
_FROM_END = _pattern(
    rf"(?:\b(?:at|around|about|near) (?:the )?{_ABOUT}|@ ?)?(?P<length>{_CODE}|{_COMPACT}|{_LENGTH}){_STOP}"
    rf"(?:[ -](?:mark|point))? {_THE_END}"
)
_MOMENTS = (
    # A bare time code needs a cue, or to open the question or a bracket: scores and verses look alike.
    _pattern(
        r"(?:\b(?:at|around|about|near|after|before|until|till|since|from|past|by|time|timestamp|minute) "
        rf"(?:the )?{_ABOUT}{_NAMED}|@ ?|^|[\[(]){_listed(_CODE + _STOP + _NO_RATIO)}"
    ),
    _pattern(
        rf"(?:\b(?:at|around|near|after|before|until|till|since) {_ABOUT}|@ ?)"
        rf"{_listed(f'(?!(?>{_COMPACT}|{_LENGTH}){_OFFSET})(?:{_COMPACT}|{_LENGTH}){_STOP}{_NO_AMOUNT}')}"
    ),
    _pattern(rf"{_listed(_LENGTH)}[ -](?:mark|point)s?\b"),
    _pattern(rf"{_listed(_LENGTH)} (?:into\b(?: {_VIDEO}| it\b)?|in(?= ?[,.?!;]|$))"),
    _pattern(
        rf"\b(?:at|in|around|near|during) (?:the )?(?P<unit>second|minute) (?P<number>[0-9]{{1,6}}){_STOP}"
        rf"(?! ?{_UNIT}){_NOT_FROM_END}(?!{_OF_PART})"
    ),
    _pattern(
        rf"\b(?:at|in|around|near|during) the {_ORDINAL} "
        rf"(?P<unit>second\b(?!{_OF_PART})|minute[ -](?:mark|point)\b)"
    ),
    # "at 12 and 20 seconds": the unit is said once.
    _pattern(
        rf"\b(?:at|around|near|after|before) {_ABOUT}(?P<numbers>(?:{_NUMBER}(?:,? (?:and|or) |, )){{1,15}}"
        rf"{_NUMBER})[ -]?(?P<unit>{_UNIT}){_STOP}{_NO_AMOUNT}{_NO_OFFSET}"
    ),
)


@dataclass(frozen=True, slots=True)
class Mentions:
    """The moments and spans of the video that a question names, in seconds."""

    moments: tuple[float, ...] = ()
    """Sorted, each before the end of the video."""
    spans: tuple[Span, ...] = ()
    """Sorted, each inside the video."""
    warnings: tuple[str, ...] = ()
    """A sentence for each time that lies past the end."""


def find_mentions(question: str, duration_s: float) -> Mentions:
    """Finds the times that `question` names in a video of `duration_s` seconds; raises nothing on any text.

        "at 08:00", "after 90s"  -> moment       "in the last 30 seconds"    -> span
        "12 seconds in"          -> moment       "between 1:20 and 2:05"     -> span
        "at 5 s, 10 s and 15 s"  -> 3 moments    "at 1 minute and 5 seconds" -> moment
        "10 s before the end"    -> moment       "at 5 s after the cut"      -> nothing
        "at 8:00 am"             -> nothing      "a 16:10 screen", "John 3:16" -> nothing
        "in the 12th second"     -> moment       "in the 2nd minute"         -> span, 60 to 120 s
        "30 seconds into it"     -> moment       "30 seconds into the race"  -> nothing
        "the last 10 seconds"    -> span         "does it last 10 seconds"   -> nothing

    A time past the end is warned of and has no effect; a span that begins before the end keeps that part.
    """
    return _Reader(in_english(question), duration_s).read()


def with_time_codes(question: str) -> str:
    """The question with the moments that it names as `mm:ss`, for a model that learned to read them so:

        "at 12 seconds" -> "at 00:12"    "90 seconds in" -> "at 01:30"    "bei Minute 2" -> "at 02:00"

    What names no moment, and a moment from 100 minutes on, stays as it is.
    """
    reader = _Reader(in_english(question), _LONGEST_S)
    reader.read()
    text = reader.question
    for start, end, code in sorted(reader.codes, reverse=True):
        text = text[:start] + code + text[end:]
    return with_plain_digits(text) if reader.codes and not reader.warnings else question


@dataclass(slots=True)
class _Reader:
    """Finds the longest kind of mention first, and takes out what it has read."""

    text: str
    """What is left, with bars for what was read: places in it are places in the question."""
    duration_s: float
    question: str = field(init=False)
    moments: set[float] = field(default_factory=set)
    spans: set[Span] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    codes: list[tuple[int, int, str]] = field(default_factory=list)
    """Where the question speaks of moments, and the same as time codes."""

    def __post_init__(self) -> None:
        self.question = self.text

    def read(self) -> Mentions:
        for pattern in (_TIME_OF_DAY, _DURATION, _ELSEWHERE):
            self._take(pattern)
        self.text = _LASTING.sub(r"\1||||", self.text)
        for pattern in _SPANS:
            for match in self._take(pattern):
                unit = match.groupdict().get("unit")
                start = _seconds(f"{match['start']} {unit}" if unit else match["start"])
                end = match["end"]
                self._add_span(start, _seconds(f"{end} {unit}" if unit and not _ends_in_unit(end) else end))
        for pattern in _EDGES:
            for match in self._take(pattern):
                self._add_edge(match["edge"].lower(), _seconds(match["length"]))
        for match in self._take(_NUMBERED):
            self._add_numbered(_ordinal(match), _UNIT_SECONDS[match["unit"][0].lower()])
        for match in self._take(_FROM_END):
            self._add_from_end(_seconds(match["length"]))
        for pattern in _MOMENTS:
            for match in self._take(pattern):
                times = _moments_of(match)
                for time_s in times:
                    self._add_moment(time_s)
                self._add_codes(match, times)
        return Mentions(tuple(sorted(self.moments)), tuple(sorted(self.spans)), tuple(self.warnings))

    def _take(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        matches = list(pattern.finditer(self.text))
        # Not spaces: they could join what stood before to what stood after.
        self.text = pattern.sub(lambda match: "|" * len(match[0]), self.text)
        return matches

    def _add_moment(self, time_s: float | None) -> None:
        if time_s is None:
            return
        if time_s < self.duration_s:
            self.moments.add(time_s)
        else:
            self._warn(time_s, "that time is ignored")

    def _add_codes(self, match: re.Match[str], times: list[float | None]) -> None:
        codes = [f"{int(time_s) // 60:02d}:{int(time_s) % 60:02d}" for time_s in times if time_s is not None]
        if len(codes) < len(times):
            return
        times_text = " and ".join(codes)
        lists = [name for name in ("times", "numbers") if name in match.re.groupindex]
        start, end = match.span()
        if lists and match.start(lists[0]) > start:  # after a cue, which stays
            first = match.start(lists[0])
            cue = self.question[max(first - _CUE_CHARACTERS, 0) : first]
            named = re.search(rf"\b{_NAMED}$", cue, _FLAGS)
            first -= len(named[0]) if named else 0
            vague = _VAGUE.search(self.question[max(first - _CUE_CHARACTERS, 0) : first])
            if vague is not None:
                first, times_text = first - len(vague[0]), f"at {times_text}"
            self.codes.append((first, end, times_text))
        else:
            # "the 2-minute mark", "30 seconds into the video"
            cue = self.question[max(start - _CUE_CHARACTERS, 0) : start]
            before = re.search(r"(?:\bat )?(?:\bthe )?$", cue, _FLAGS)
            start -= len(before[0]) if before else 0
            self.codes.append((start, end, f"at {times_text}"))

    def _add_span(self, start_s: float | None, end_s: float | None) -> None:
        if start_s is None or end_s is None:
            return
        start_s, end_s = min(start_s, end_s), max(start_s, end_s)
        if start_s == end_s or start_s >= self.duration_s:
            self._add_moment(start_s)
            return
        if end_s > self.duration_s:
            self._warn(end_s, "only the part inside the video is looked at closely")
        self.spans.add((start_s, min(end_s, self.duration_s)))

    def _add_edge(self, edge: str, length_s: float | None) -> None:
        if not length_s:
            return
        if length_s > self.duration_s:
            self._warn(length_s, "that time is ignored")
        elif edge in ("first", "1st", "opening", "initial"):
            self.spans.add((0.0, length_s))
        else:
            self.spans.add((self.duration_s - length_s, self.duration_s))

    def _add_numbered(self, number: int, unit_s: int) -> None:
        """The `number`-th minute or hour, or what the video has of it."""
        start_s = float((number - 1) * unit_s)
        if start_s < self.duration_s:
            self.spans.add((start_s, min(start_s + unit_s, self.duration_s)))
        else:
            self._add_moment(start_s)

    def _add_from_end(self, length_s: float | None) -> None:
        if not length_s:
            return
        if length_s > self.duration_s:
            self._warn(length_s, "that time is ignored")
        else:
            self._add_moment(self.duration_s - length_s)

    def _warn(self, time_s: float, consequence: str) -> None:
        sentence = (
            f"The question names {format_timecode(time_s)}, but the video is "
            f"{format_timecode(self.duration_s)} long: {consequence}."
        )
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def _seconds(text: str) -> float | None:
    """Seconds of a time code, a compact time, a length ("two minutes and 5 s") or one unit ("minute")."""
    if ":" in text or re.fullmatch(_COMPACT, text, _FLAGS):
        try:
            return parse_time(text)
        except UsageError:  # 1:75
            return None
    parts = re.findall(rf"({_NUMBER})[ -]?({_UNIT})\b", text, _FLAGS) or [("1", text)]
    return float(sum(_number(number) * _UNIT_SECONDS[unit[0].lower()] for number, unit in parts))


def _moments_of(match: re.Match[str]) -> list[float | None]:
    """The times of a match of one of `_MOMENTS`; None for one that is none (1:75)."""
    parts = match.groupdict()
    if "times" in parts:
        return [_seconds(time) for time in _EACH.findall(parts["times"])]
    if "word" in parts:
        return [float(_ordinal(match) * _UNIT_SECONDS[parts["unit"][0].lower()])]
    numbers = re.findall(_NUMBER, parts.get("numbers") or parts["number"], _FLAGS)
    return [_seconds(f"{number} {parts['unit']}") for number in numbers]


def _ordinal(match: re.Match[str]) -> int:
    return int(match["number"] or _ORDINALS[match["word"].lower()])


def _ends_in_unit(text: str) -> bool:
    return re.search(rf"{_UNIT}$", text, _FLAGS) is not None


def _number(text: str) -> float:
    word = _WORDS.get(text.lower())
    return float(text.replace(",", "")) if word is None else float(word)
