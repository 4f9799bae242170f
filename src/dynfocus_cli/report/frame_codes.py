"""Time codes that count frames, `HH:MM:SS:FF`, as editors and cameras write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MOST, LEAST = 60, 24
"""Labels of a second: editors have no more, so that faster videos are counted in groups of frames, of which
there should be no fewer."""

_LABEL = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d{2,3})")

DAY_H = 24


@dataclass(frozen=True, slots=True)
class FrameCodes:
    """How the frames of a video are counted and labelled."""

    unit: int
    """Labels that a second has, 1 to 60."""
    rate: float
    """How many are counted in a real second: 29.97 where 30 labels are given out more slowly."""
    group: int = 1
    """Frames of the video that share a label."""
    drop: bool = False
    """Labels are left out so that they keep to the clock: of 30, two at the beginning of each minute but the
    tenth."""
    start: int = 0
    """Number of the video's first label, counted from 00:00:00:00."""

    @classmethod
    def of(cls, fps: float, first: str = "") -> FrameCodes:
        """Those of a video of `fps` frames a second, whose first frame the file labels `first`.

            25 -> 25    29.97 -> 30    120 -> 60, two frames a label    144 -> 48    23.4, uneven -> 23

        A label that is none, or cannot be one at this rate, counts as 00:00:00:00.
        """
        nearest = max(1, round(fps))
        unit, rate, group = min(nearest, MOST), float(min(nearest, MOST)), 1
        if math.isclose(fps, nearest, rel_tol=0.002):  # 30000/1001 counts its own frames
            even = (unit for unit in range(MOST, LEAST - 1, -1) if nearest % unit == 0)
            unit = nearest if nearest <= MOST else next(even, unit)
            if nearest % unit == 0:
                group = nearest // unit
                rate = fps / group
        plain = cls(unit, rate, group)
        return plain._from(match) if (match := _LABEL.fullmatch(first.strip())) else plain

    def number(self, time_s: float) -> int:
        """The label shown at a time of the video, counted from its first one."""
        return round(time_s * self.rate)

    def label(self, number: int) -> str:
        """What label number `number` reads, counted from 00:00:00:00.

        65 of 25 a second -> 00:00:02:15    1800 of 30 a second with drops -> 00:01:00;02
        """
        if self.drop:
            tens, rest = divmod(number, 10 * self._minute + self._left_out)
            number += self._left_out * (9 * tens + max(0, rest - self._left_out) // self._minute)
        seconds, frame = divmod(number, self.unit)
        hours, seconds = divmod(seconds, 3600)
        mark = ";" if self.drop else ":"
        return f"{hours % DAY_H:02d}:{seconds // 60:02d}:{seconds % 60:02d}{mark}{frame:02d}"

    @property
    def _left_out(self) -> int:
        """Labels that a minute drops."""
        return self.unit // 15

    @property
    def _minute(self) -> int:
        """Labels of a minute that drops some."""
        return 60 * self.unit - self._left_out

    def _from(self, match: re.Match[str]) -> FrameCodes:
        hours, minutes, seconds, frame = (int(match[part]) for part in (1, 2, 3, 5))
        if hours >= DAY_H or minutes >= 60 or seconds >= 60 or frame >= self.unit * self.group:
            return self
        drop = match[4] != ":" and self.unit % 30 == 0
        number = ((hours * 60 + minutes) * 60 + seconds) * self.unit + frame // self.group
        codes = FrameCodes(self.unit, self.rate, self.group, drop, number)
        if drop:
            whole = hours * 60 + minutes
            number -= codes._left_out * (whole - whole // 10)
        return FrameCodes(self.unit, self.rate, self.group, drop, number)
