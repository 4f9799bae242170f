"""A file of questions of one's own, scored by the option's letter or by the answer's words."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Sequence
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

EXAMPLE = '{"video": "a.mp4", "question": "Who wins?", "answer": "the dog"}'

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


class OwnQuestions(QuestionBenchmark):
    name = "file"
    title = 'A file of your own: JSON Lines with "video", "question", "answer"; "choices", "type", "id"'
    scoring: ClassVar[Scoring] = "likelihood"

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
        for place, value in entries:
            try:
                query = query_of(value)
                item = _item(query, value, place, folders)
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
        for option in item.options:
            if response.strip() == option.letter or bare(response) == bare(option.text):
                return option.letter
        letters = "".join(option.letter for option in item.options)
        return likely_letter(response, letters) if len(letters) == len(item.options) else None

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
    """
    letters = answer.casefold().translate(str.maketrans("", "", string.punctuation))
    return " ".join(_ARTICLE.sub(" ", letters).split()) or " ".join(answer.casefold().split())


def _item(query: Query, fields: Any, place: str, folders: Sequence[Path]) -> Item:
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
        id=place.rpartition(" ")[2] if query.id is None else str(query.id),
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
    letters = {option.letter: option.letter for option in query.choices}
    texts = {bare(option.text): option.letter for option in query.choices}
    letter = letters.get(answer) or texts.get(bare(answer)) or letters.get(answer.upper().strip("().: "))
    if letter is None:
        raise UsageError(f"Its answer {answer!r} is none of its choices ({', '.join(letters)}).")
    return letter


def _subtitles(video: Path) -> Path | None:
    """The first subtitle file of the video's name beside it that can be read."""
    from dynfocus_cli.video.subtitles import subtitles_beside

    subtitles, _ = subtitles_beside(video)
    return None if subtitles is None else video.parent / subtitles.origin


def _names(folders: Sequence[Path]) -> list[str]:
    """Each folder once, in full: a `.` ahead of a full stop would be read as `..`."""
    return list(dict.fromkeys(os.path.abspath(folder) for folder in folders))
