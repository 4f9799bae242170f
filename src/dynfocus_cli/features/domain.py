"""The domain of a model: which videos and questions it was trained on, by what can be measured of them.

A departure from it is a clause of a sentence, such as "it has 12 scenes, where training had at most 10".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import Span, VideoSource
from dynfocus_cli.video.timecode import format_timecode

FILE_NAME = "domain.json"

KNOWN_PAIRS = 0.6
"""Share of neighbouring words in a question that training must have had side by side. Of the generator's
wordings that training never saw the least have 0.625."""
COUNTED_WRONG = 1
"""Shots by which the network's count may be off: of 60 clips the network of `weights/old-world` counted one
too many in 3, and one too few in one."""
MOST_NAMED = 3
"""Unknown words that are named."""

_WORD = re.compile(r"\d+(?::\d+)+|\w+(?:['’]\w+)?")
_TIME = re.compile(r"\d+(?::\d+)+")
_EDGE, _ANY_TIME = "|", "{time}"


@dataclass(frozen=True, slots=True)
class Domain:
    """The content of `domain.json` in a model folder; what it leaves out limits nothing."""

    aspect_ratios: Span | None = None
    """Least and largest width of the displayed picture, divided by its height."""
    until_s: float | None = None
    """The latest moment that a frame was shown from, seconds."""
    shots: int | None = None
    """The most scenes that a clip had; counted by the network itself."""
    words: frozenset[str] = frozenset()
    """Words of questions and answers, in lower case; a time is one word. None: any question will do."""
    pairs: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    """Words that stood side by side in questions, their beginnings and ends included."""

    def video_departures(
        self, source: VideoSource, times_s: Sequence[float], shots: int | None
    ) -> tuple[str, ...]:
        """How a video, looked at in these moments, differs from all that the model was trained on."""
        departures = []
        if self.aspect_ratios is not None:
            ratio, (least, most) = source.width / source.height, self.aspect_ratios
            if not least <= ratio <= most:
                departures.append(
                    f"its picture is {ratio:.2f} times as wide as it is high, where training had {least:g} "
                    f"to {most:g}"
                )
        if self.until_s is not None and times_s[-1] > self.until_s:
            last, until = (
                format_timecode(moment).partition(".")[0] for moment in (times_s[-1], self.until_s)
            )
            departures.append(f"it is looked at until {last}, where training ended at {until}")
        if self.shots is not None and shots is not None and shots > self.shots + COUNTED_WRONG:
            departures.append(f"it has {shots} scenes, where training had at most {self.shots}")
        return tuple(departures)

    def question_departures(self, question: str, answers: Sequence[str] = ()) -> tuple[str, ...]:
        """How a question, and the answers to choose from, differ from all that the model was trained on."""
        if not self.words:
            return ()
        words = words_of(question)
        every = [*words, *(word for answer in answers for word in words_of(answer))]
        unknown = list(dict.fromkeys(word for word in every if word not in self.words))
        if unknown:
            named = ", ".join(repr(word) for word in unknown[:MOST_NAMED])
            more = " and others" if len(unknown) > MOST_NAMED else ""
            return (f"training had no question with {named}{more}",)
        pairs = pairs_of(words)
        if sum(pair in self.pairs for pair in pairs) < KNOWN_PAIRS * len(pairs):
            return ("training had no question that was put like this",)
        return ()

    def widened(self, sources: Iterable[VideoSource], until_s: float, questions: Iterable[str]) -> Domain:
        """The same, with these videos and questions in it."""
        ratios = self.aspect_ratios
        if ratios is not None:
            all_ratios = [*ratios, *(source.width / source.height for source in sources)]
            ratios = min(all_ratios), max(all_ratios)
        words, pairs = set(self.words), set(self.pairs)
        if words:
            for question in questions:
                words |= set(words_of(question))
                pairs |= set(pairs_of(words_of(question)))
        return replace(
            self,
            aspect_ratios=ratios,
            until_s=None if self.until_s is None else max(self.until_s, until_s),
            shots=None,  # nobody counted theirs
            words=frozenset(words),
            pairs=frozenset(pairs),
        )

    def save(self, folder: Path) -> None:
        """Writes `domain.json` into `folder`."""
        pairs = sorted(" ".join(pair) for pair in self.pairs)
        fields = asdict(self) | {"words": sorted(self.words), "pairs": pairs}
        text = json.dumps(fields, indent=1, ensure_ascii=False)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Domain:
        """Reads `domain.json` from `folder`; where there is none, nothing is limited.

        Raises:
            ModelUnavailable: the file is damaged.
        """
        path = folder / FILE_NAME
        if not path.exists():
            return cls()
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            ratios = fields["aspect_ratios"]
            return cls(
                aspect_ratios=None if ratios is None else (float(ratios[0]), float(ratios[1])),
                until_s=None if fields["until_s"] is None else float(fields["until_s"]),
                shots=None if fields["shots"] is None else int(fields["shots"]),
                words=frozenset(fields["words"]),
                pairs=frozenset((first, second) for first, second in map(str.split, fields["pairs"])),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelUnavailable(f"{path} cannot be used: {error}") from error


def words_of(question: str) -> list[str]:
    """`What's on screen at 00:12?` -> `what's`, `on`, `screen`, `at`, `{time}`"""
    words = _WORD.findall(question.lower().replace("’", "'"))
    return [_ANY_TIME if _TIME.fullmatch(word) else word for word in words]


def pairs_of(words: Sequence[str]) -> list[tuple[str, str]]:
    """Neighbours, with the edges: `is`, `it` -> (|, is), (is, it), (it, |)"""
    return list(pairwise((_EDGE, *words, _EDGE)))
