"""From the entries of official files to items, with what cannot be asked beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from dynfocus_cli.evaluation.item import Dataset, Item, Problem
from dynfocus_cli.evaluation.video_folder import VideoFolder
from dynfocus_cli.types import Option


class ItemReader:
    """Collects the items of a split, and a problem for each entry that cannot be one."""

    def __init__(self, videos: VideoFolder, letters: str = "ABCD") -> None:
        """`letters` are those that the benchmark's options may have."""
        self.videos = videos
        self.letters = letters
        self._items: list[Item] = []
        self._problems: list[Problem] = []
        self._ids = set[str]()

    def add(
        self,
        id: str,
        video: Any,
        question: Any,
        answer: str | None,
        options: Sequence[str] | None = None,
        *,
        needs_answer: bool = False,
        folder: str = "",
        task: str = "",
        duration: str = "",
        group: str = "",
        subtitles: Path | None = None,
        spans_s: Sequence[Any] | None = None,
        official: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds an entry as an item if it can be asked, else as a problem.

        Args:
            video: its name or id, as the official file gives it: a text or a number.
            question: its text; what is none is a problem, as an answer and options are.
            answer: the right option's letter; the answer in words where there are no options; None where the
                makers withhold it.
            options: their texts, of A, B, C ... in this order; None where it is answered in words.
            needs_answer: it cannot be scored without an answer: the makers withhold none, and it is judged.
            folder: name of the folder that the task's videos lie in, where tasks have folders of their own.
            spans_s: of a query for moments: starts and ends, seconds, as the official file gives them.
        """
        name = _video_name(video)
        paths = [] if name is None else self.videos.paths(name, folder)
        message = self._message(id, question, answer, options) or _span_message(spans_s)
        if not message and needs_answer and not (answer and answer.strip()):
            message = "It has no answer."
        if not message and len(paths) != 1:
            message = f"Its video {video!r} is no text." if name is None else self.videos.problem(name, paths)
        if message:
            self.problem(id, message, paths[0] if len(paths) == 1 else None)
            return
        self._ids.add(id)
        self._items.append(
            Item(
                id=id,
                video=paths[0],
                question=question,
                answer=answer,
                options=as_options(options or ()),
                task=task,
                duration=duration,
                group=group,
                subtitles=subtitles,
                spans_s=None if spans_s is None else tuple((float(one[0]), float(one[1])) for one in spans_s),
                official=official or {},
            )
        )

    def problem(self, id: str, message: str, video: Path | None = None) -> None:
        """Adds an entry that cannot be asked."""
        self._problems.append(Problem(id, message, video))

    def dataset(self, *files: Path) -> Dataset:
        """What was read, from these official files."""
        return Dataset(tuple(self._items), tuple(self._problems), files)

    def _message(self, id: str, question: Any, answer: str | None, options: Sequence[str] | None) -> str:
        """What is wrong with an entry, its video aside; empty for nothing."""
        if id in self._ids:
            return f"The id {id} occurs twice; the first entry is asked."
        if not isinstance(question, str) or not question.strip():
            return "It has no question."
        if options is None:
            return "" if answer is None or isinstance(answer, str) else f"Its answer {answer!r} is no text."
        if not all(isinstance(option, str) and option.strip() for option in options):
            return "One of its options has no text."
        if not 2 <= len(options) <= len(self.letters):
            last = self.letters[-1]
            return f"It has {len(options)} options, and 2 to {len(self.letters)} (A to {last}) are expected."
        if answer is not None and answer not in list(self.letters[: len(options)]):
            return f"Its answer {answer!r} is none of its options."
        return ""


def _video_name(video: Any) -> str | None:
    """A video's name as a text; None for what is neither a text nor a number."""
    if isinstance(video, int | float) and not isinstance(video, bool):
        return str(video)
    return video if isinstance(video, str) else None


def _span_message(spans_s: Sequence[Any] | None) -> str:
    """What is wrong with the right moments of a query; empty for nothing."""
    for span in spans_s or ():
        if not isinstance(span, list | tuple) or len(span) != 2 or not all(map(_is_time, span)):
            return f"Its moment {span!r} is no start and end in seconds."
        if not span[0] < span[1]:
            return f"Its moment {span!r} does not end after it starts."
    return ""


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def as_options(options: Sequence[str]) -> tuple[Option, ...]:
    """Texts as the options A, B, C ... in their order."""
    return tuple(Option(letter, text) for letter, text in zip(ascii_uppercase, options, strict=False))


def letter_of(answer: str, options: Sequence[str]) -> str:
    """The letter of the last option that is this text, as MLVU's scorer has it; the text if there is none."""
    places = [place for place, option in enumerate(options) if option == answer]
    return ascii_uppercase[places[-1]] if places else answer
