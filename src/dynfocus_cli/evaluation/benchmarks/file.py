"""A file of questions of one's own, scored by the option's letter or by the answer's words."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Any, ClassVar

from dynfocus_cli.batch.questions import Query, query_of, read_items
from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by, with_answer
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark, Scoring
from dynfocus_cli.evaluation.extractors import likely_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Problem, Prompt, Scored
from dynfocus_cli.multiple_choice import listed
from dynfocus_cli.options import check_question
from dynfocus_cli.types import Option

EXAMPLE = '{"video": "a.mp4", "question": "Who wins?", "answer": "the dog"}'

_ARTICLE = re.compile(r"\b(?:a|an|the)\b(?![+#])")

_PUNCTUATION = re.compile(
    rf"""
    ( (?<!\w) - (?=\.?\d)                                      # the sign of -5
    | (?<![\w.]) \. (?=\d)                                     # the point of .5
    | (?<=\d) (?: [.:/-] | , (?!\d{{3}}(?!\d)) ) (?=\d)         # 3.5, 1:30, 1/2, 3-2 and 3,5, not 1,000
    | (?<=[^\W\d_]) [+\#]+ )                                   # C++, C#
    | [{re.escape(string.punctuation)}]
    """,
    re.VERBOSE,
)
"""A mark of punctuation; its group is one that belongs to a number or a name, and makes another of it."""

_SMALL_LETTER = re.compile(r"(?<![\w'’])(?:[b-hj-z]|[ai](?!\s+\w))(?![\w'’])")
"""A small letter that stands alone, and is no article ("a dog") or pronoun."""


class OwnQuestions(QuestionBenchmark):
    name = "file"
    title = 'A file of your own: JSON Lines with "video", "question", "answer"; "choices", "type", "id"'
    scoring: ClassVar[Scoring] = "likelihood"
    names_files = True

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the file; what is stored of its questions can be scored without."""
        self.path = path
        self.data = Path() if path is None else path.parent

    def read(self, data: Path, split: str) -> Dataset:
        """The questions of the file; videos are looked for in `data`, then beside the file."""
        if self.path is None:
            raise UsageError(f"Name a file of questions with lines like {EXAMPLE}.")
        folders = (data, self.path.parent)
        entries = list(read_items(str(self.path)))
        items, problems, ids = list[Item](), list[Problem](), set[str]()
        given = _given_ids(value for _, value in entries)
        for place, value in entries:
            try:
                query = query_of(value)
                id = _free_id(place, given) if query.id is None else str(query.id)
                item = _item(id, query, value, folders)
                if item.id in ids:
                    raise UsageError(f"The id {item.id!r} is another question's already.")
                ids.add(item.id)
                items.append(item)
            except UsageError as error:
                problems.append(Problem(place, str(error)))
        if not any(isinstance(value, dict) for _, value in entries):
            reason = "".join(f" ({one.id}: {one.message.rstrip('.')})" for one in problems[:1])
            raise UsageError(f"{self.path} holds no question{reason}; its lines are like {EXAMPLE}.")
        return Dataset(tuple(items), tuple(problems), (self.path,))

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        said = "".join(f"{line}\n" for line in subtitles or ())
        return Prompt(said + (listed(item.question, item.options) if item.options else item.question))

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        if not item.options:
            return response.strip() or None
        named = _named(response, item.options)
        if named:
            return named[0] if len(named) == 1 else None
        return _written_letter(response, [option.letter for option in item.options])

    def is_right(self, item: Item, extracted: str) -> bool:
        if item.options:
            return extracted == item.answer
        return item.answer is not None and bare(extracted) == bare(item.answer)

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        if not with_answer(scored):
            return {}
        return {"accuracy": accuracy(scored)} | accuracy_by(
            scored, lambda item: (item.task,) if item.task else ()
        )


def bare(answer: str) -> str:
    """An answer without what makes no other of it: capitals, articles, punctuation, spaces.

    bare("The red star.") == "red star"
    bare("-3.5!") == "-3.5"
    bare("C++.") == "c++"
    """
    folded = answer.casefold().replace("\N{MINUS SIGN}", "-")
    letters = _PUNCTUATION.sub(lambda mark: mark[1] or "", folded)
    return " ".join(_ARTICLE.sub(" ", letters).split()) or " ".join(folded.split())


def _named(answer: str, options: Sequence[Option]) -> list[str]:
    """The letters of the options that an answer is, by the strictest comparison that any of them passes: the
    letter, the text, both whatever their capitals, the text as `bare` has it. Several are ambiguous."""
    answer = answer.strip()
    folded, words = answer.casefold(), bare(answer)
    passed = (
        [option.letter for option in options if option.letter == answer],
        [option.letter for option in options if option.text.strip() == answer],
        [option.letter for option in options if option.text.strip().casefold() == folded],
        [option.letter for option in options if option.letter.casefold() == folded],
        [option.letter for option in options if bare(option.text) == words],
    )
    return next(filter(None, passed), [])


def _written_letter(response: str, letters: Sequence[str]) -> str | None:
    """The letter that a response names in a sentence, in capitals or not; None where it names none, or where
    an option has more than a letter."""
    by_capital = {letter.upper(): letter for letter in letters}
    if len(by_capital) < len(letters):  # a and A are two options
        by_capital = {letter: letter for letter in letters}
    if any(len(capital) != 1 for capital in by_capital):
        return None
    capitals = "".join(by_capital)
    if not re.search(rf"(?<!\w)[{re.escape(capitals)}](?!\w)", response):
        response = _SMALL_LETTER.sub(lambda small: small[0].upper(), response)
    letter = likely_letter(response, capitals)
    return None if letter is None else by_capital[letter]


def _given_ids(values: Iterable[Any]) -> set[str]:
    """The ids that the file itself gives."""
    ids = set[str]()
    for value in values:
        with suppress(UsageError):
            id = query_of(value).id
            if id is not None:
                ids.add(str(id))
    return ids


def _free_id(place: str, given: set[str]) -> str:
    """The id of a question without one: the number of its place, or else what no other question is called.

    _free_id("line 2", {"x"}) == "2"
    _free_id("line 2", {"2"}) == "line 2"
    """
    names = chain((place.rpartition(" ")[2], place), (f"{place}, {number}" for number in count(2)))
    return next(name for name in names if name not in given)


def _item(id: str, query: Query, fields: Any, folders: Sequence[Path]) -> Item:
    """Raises UsageError for what cannot be asked."""
    check_question(query.text)
    if query.video is None or not isinstance(fields, dict):
        raise UsageError('It names no "video".')
    paths = [folder / query.video for folder in folders]
    video = next((path for path in paths if os.path.exists(path)), None)
    if video is None:
        raise UsageError(f"There is no video {query.video} in {' or '.join(_names(folders))}.")
    if video.is_dir():
        raise UsageError(f"Its video {query.video} is a folder.")
    return Item(
        id=id,
        video=video,
        question=query.text,
        answer=_answer(fields.get("answer"), query),
        options=query.choices,
        task=str(fields.get("type") or fields.get("task") or ""),
        subtitles=_subtitles(video),
    )


def _answer(value: Any, query: Query) -> str | None:
    """A letter where there are choices; None where the file does not say it."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        raise UsageError(f'Its "answer" must be a text, got {value!r}.')
    answer = str(value).strip()
    if not query.choices:
        return answer
    letters = ", ".join(option.letter for option in query.choices)
    named = _named(answer, query.choices) or _named(answer.strip("().: "), query.choices)
    if not named:
        raise UsageError(f"Its answer {answer!r} is none of its choices ({letters}).")
    if len(named) > 1:
        raise UsageError(f"Its answer {answer!r} is several of its choices: give a letter ({letters}).")
    return named[0]


def _subtitles(video: Path) -> Path | None:
    """The first subtitle file of the video's name beside it that can be read."""
    from dynfocus_cli.video.subtitles import subtitles_beside

    subtitles, _ = subtitles_beside(video)
    return None if subtitles is None else video.parent / subtitles.origin


def _names(folders: Sequence[Path]) -> list[str]:
    """Each folder once, in full: a `.` ahead of a full stop would be read as `..`."""
    return list(dict.fromkeys(os.path.abspath(folder) for folder in folders))
