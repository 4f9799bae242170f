"""Times as people write them, and as the report shows them."""

from __future__ import annotations

import math
import re

from dynfocus_cli.errors import UsageError

ACCEPTED_FORMS = "8, 8.5, 08:00 (mm:ss), 1:02:03.5 (h:mm:ss), 90s, 2m30s or 1h2m"

# At most 9 digits a field: what is longer is a slip of the keyboard, and would become infinite as a float.
_SECONDS = re.compile(r"(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)")
_CLOCK = re.compile(
    r"(?:(?P<hours>[0-9]{1,9}):(?=[0-9]{1,2}:))?(?P<minutes>[0-9]{1,9}):(?P<seconds>[0-9]{2}(?:\.[0-9]{1,9})?)"
)
_UNITS = re.compile(
    r"(?=[0-9])(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)s)?",
    re.ASCII | re.IGNORECASE,
)


def parse_time(text: str) -> float:
    """Seconds that a TIME of the command line stands for.

        8 -> 8.0    08:00 -> 480.0    1:02:03.5 -> 3723.5    90s -> 90.0    2m30s -> 150.0    1h2m -> 3720.0

    Raises:
        UsageError: `text` has none of the accepted forms, or a part that should carry over (`1:75`, `1m75s`).
    """
    stripped = text.strip()
    for form in (_SECONDS, _CLOCK, _UNITS):
        if (match := form.fullmatch(stripped)) is not None:
            return _total_seconds(text, match.groupdict())
    raise UsageError(f"{text!r} is not a time: write {ACCEPTED_FORMS}.")


def format_timecode(seconds: float) -> str:
    """`HH:MM:SS.mmm` of a time in seconds, rounded to the nearest millisecond.

        59.9996 -> 00:01:00.000

    Raises:
        ValueError: `seconds` is negative or not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"a time code needs a finite time of at least 0 s, got {seconds = }")
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def short_timecode(seconds: float) -> str:
    """A time without hours and milliseconds that say nothing: 00:00:23.500 -> 00:23.5"""
    return format_timecode(seconds).removeprefix("00:").rstrip("0").removesuffix(".")


def _total_seconds(text: str, parts: dict[str, str | None]) -> float:
    hours, minutes, seconds = (parts.get(unit) for unit in ("hours", "minutes", "seconds"))
    if seconds is not None and (hours or minutes) is not None and float(seconds) >= 60:
        raise UsageError(f"{text!r} is not a time: its seconds must be below 60. Write {ACCEPTED_FORMS}.")
    if minutes is not None and hours is not None and int(minutes) >= 60:
        raise UsageError(f"{text!r} is not a time: its minutes must be below 60. Write {ACCEPTED_FORMS}.")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
