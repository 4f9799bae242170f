"""The questions that are asked of each video: one, or those of a file."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import reason
from dynfocus_cli.multiple_choice import as_options
from dynfocus_cli.options import check_question
from dynfocus_cli.types import Option

STDIN = "-"

JSON_LINES = (".jsonl", ".ndjson")

_COMMENT = re.compile(rb"\s*#(?!\d)")
"""A line that begins with a number sign; "#7 has which color?" is a question."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
"""None of the other line breaks that `splitlines` knows: JSON may hold them."""

_LETTERED = re.compile(r"\(?([A-Z])[.):]\s*(?=\S)")
"""How benchmarks write a choice in a list: "A. a dog", "(A) a dog"."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the name that the user's file has for it."""

    text: str
    id: str | int | None = None
    choices: tuple[Option, ...] = ()
    """Answers to choose from, if there are any."""
    video: str | None = None
    """The one video that it is about, as the file names it; None asks it of each."""

    def __post_init__(self) -> None:
        """Raises UsageError where `choices`, which may be given as `ask` takes them, are none."""
        from dynfocus_cli.multiple_choice import as_options

        object.__setattr__(self, "choices", as_options(self.choices))


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """What a file of questions holds."""

    queries: tuple[Query, ...]
    problems: tuple[str, ...]
    """A sentence for each line that is no question; the others are asked all the same."""
    folder: str = ""
    """Where the file lies, and paths of videos in it begin; empty for the working directory."""


def read_questions(path: str) -> QuestionFile:
    """Reads a file of questions: one a line, or JSON objects with a `question`, one a line or in a list.

        What color is the 7?
        {"id": "q1", "question": "What color is the 7?"}
        {"id": "q2", "question": "What color is the 7?", "choices": {"A": "white", "B": "orange"}}
        [{"question_id": 1, "video": "a.mp4", "question": "Who?", "options": ["A. Ann", "B. Bob"]}]

    It is JSON where its name says so (`.jsonl`), where all of it is a list or an object, or where one of its
    lines is an object. Empty lines and those that begin with `#` are passed over, and so are other fields.

    Args:
        path: `-` is standard input.

    Raises:
        UsageError: it cannot be read, or holds no question.
    """
    queries, problems = _read(read_items(path))
    problems = [f"{path}, {problem}" for problem in problems]
    if not queries:
        raise UsageError(f"The file {path} holds no question{f': {problems[0]}' if problems else '.'}")
    return QuestionFile(tuple(queries), tuple(problems), "" if path == STDIN else os.path.dirname(path))


def read_items(path: str) -> Iterator[tuple[str, Any]]:
    """Each thing in a file that should be a question, with its place, such as `line 3`: a line of text, what
    JSON stands for, or a UsageError that says why it stands for nothing.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        if path == STDIN:
            data = b"" if sys.stdin is None else sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except (OSError, ValueError) as error:
        raise UsageError(f"The questions {path} cannot be read: {reason(error)}.") from error
    return _items(path, data.removeprefix(b"\xef\xbb\xbf"))


def _items(path: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """Each thing that should be a question, with its place: a line of text, JSON, or a UsageError."""
    if data.lstrip().startswith((b"[", b"{")):
        whole = _parsed(data)
        if isinstance(whole, list):
            yield from ((f"item {number}", item) for number, item in enumerate(whole, 1))
            return
        if isinstance(whole, dict):
            yield "line 1", whole
            return
        if path.lower().endswith(".json") and (data.lstrip().startswith(b"[") or not _has_object(data)):
            yield "all of it", whole
            return
    lines = [
        (f"line {number}", line)
        for number, line in enumerate(_LINE_END.split(data), 1)
        if line.strip() and not _COMMENT.match(line)
    ]
    values = [_parsed(line) for _, line in lines]
    is_json = path.lower().endswith(JSON_LINES) or any(isinstance(value, dict) for value in values)
    for (place, line), value in zip(lines, values, strict=True):
        yield place, value if is_json else line


def _read(items: Iterable[tuple[str, Any]]) -> tuple[list[Query], list[str]]:
    """The questions among the items, and a sentence on each item that is no question."""
    queries: list[Query] = []
    problems: list[str] = []
    places: dict[str | int, str] = {}
    for place, item in items:
        try:
            query = query_of(item)
            check_question(query.text)
            if query.id in places:
                raise UsageError(f"The id {query.id!r} is {places[query.id]}'s already.")
            if query.id is not None:
                places[query.id] = place
            queries.append(query)
        except UsageError as error:
            problems.append(f"{place}: {error}")
    return queries, problems


def query_of(item: Any) -> Query:
    """One of `read_items` as a question. Raises UsageError for what is none."""
    if isinstance(item, UsageError):
        raise item
    if isinstance(item, bytes):
        return Query(_text(item).strip())
    if not isinstance(item, dict):
        raise UsageError('It is no JSON object like {"id": "q1", "question": "What happens?"}.')
    question, video = item.get("question"), item.get("video")
    if not isinstance(question, str):
        raise UsageError('It has no "question" that is a text.')
    if video is not None and not _may_be_path(video):
        raise UsageError(f'Its "video" must be the path of one, got {json.dumps(video)}.')
    return Query(question, _id(item), _choices(item), video)


def _has_object(data: bytes) -> bool:
    """Whether one of the lines is an object, as in JSON lines under another name."""
    return any(isinstance(_parsed(line), dict) for line in _LINE_END.split(data))


def _may_be_path(value: object) -> bool:
    """Whether a file can be called so. Half of a surrogate pair stands for no character, but a byte of a name
    that is no UTF-8 is written as one from U+DC80 on."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _field(item: dict[str, Any], *names: str) -> tuple[str, Any]:
    """Name and value of the first of `names` that the item has; without any, the first name and None."""
    name = next((name for name in names if item.get(name) is not None), names[0])
    return name, item.get(name)


def _id(item: dict[str, Any]) -> str | int | None:
    name, value = _field(item, "id", "question_id")
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise UsageError(f'Its "{name}" must be a text or a whole number, got {json.dumps(value)}.')
    return value


def _choices(item: dict[str, Any]) -> tuple[Option, ...]:
    """An object of letters and texts, or a list of texts, which are A, B, C ... as written or in order."""
    name, value = _field(item, "choices", "options")
    if value is None:
        return ()
    texts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise UsageError(f'Its "{name}" must be like {{"A": "a dog", "B": "a cat"}} or ["a dog", "a cat"].')
    return as_options(value if isinstance(value, dict) else _unlettered(texts))


def _unlettered(texts: list[str]) -> Sequence[str]:
    """The texts without the letters of their places, where all have them: "A. a dog" -> "a dog"."""
    marks = [_LETTERED.match(text) for text in texts]
    in_order = all(
        mark is not None and mark[1] == letter for mark, letter in zip(marks, ascii_uppercase, strict=False)
    )
    return [mark.string[mark.end() :] for mark in marks if mark] if in_order else texts


def _parsed(data: bytes) -> Any:
    """The value of a JSON text, or a UsageError that says what is wrong with it."""
    try:
        return json.loads(_text(data))
    except UsageError as error:
        return error
    except ValueError as error:
        return UsageError(f"It is no JSON ({error}).")
    except RecursionError:
        return UsageError("Its JSON is nested too deeply.")


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"It is no text: byte {error.start + 1} of it is not UTF-8.") from error
