"""The questions that are asked of each video: one, or those of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.multiple_choice import check_options
from dynfocus_cli.run_options import check_question
from dynfocus_cli.types import Option

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the name that the user's file has for it."""

    text: str
    id: str | int | None = None
    choices: tuple[Option, ...] = ()
    """Answers to choose from, if there are any."""


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """What a file of questions holds."""

    queries: tuple[Query, ...]
    problems: tuple[str, ...]
    """A sentence for each line that is no question; the others are asked all the same."""


def read_questions(path: str) -> QuestionFile:
    """Reads a file of questions: one a line, or JSON objects with a `question` and, if wanted, an `id`.

        What color is the 7?
        {"id": "q1", "question": "What color is the 7?"}
        {"id": "q2", "question": "What color is the 7?", "choices": {"A": "white", "B": "orange"}}

    It is JSON where its name says so (`.jsonl`) or one of its lines is a JSON object. Empty lines are passed
    over, and so are other fields of the objects.

    Args:
        path: `-` is standard input.

    Raises:
        UsageError: it cannot be read, or holds no question.
    """
    try:
        if path == STDIN:
            data = b"" if sys.stdin is None else sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(f"The questions {path} cannot be read: {why}.") from error
    # Lines end in line feeds alone: JSON may hold other line breaks that `splitlines` knows.
    lines = [
        (number, line)
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if line.strip()
    ]
    as_json = path.lower().endswith((".jsonl", ".ndjson")) or any(_is_object(line) for _, line in lines)
    found = _read(path, lines, as_json)
    if not found.queries:
        said = f": {found.problems[0]}" if found.problems else "."
        raise UsageError(f"The file {path} holds no question{said}")
    return found


def _read(path: str, lines: Iterable[tuple[int, bytes]], as_json: bool) -> QuestionFile:
    queries: list[Query] = []
    problems: list[str] = []
    lines_of: dict[str | int, int] = {}
    for number, line in lines:
        try:
            query = _from_json(line) if as_json else Query(_text(line).strip())
            check_question(query.text)
            if query.id is not None:
                if query.id in lines_of:
                    raise UsageError(f"The id {query.id!r} is line {lines_of[query.id]}'s already.")
                lines_of[query.id] = number
            queries.append(query)
        except UsageError as error:
            problems.append(f"{path}, line {number}: {error}")
    return QuestionFile(tuple(queries), tuple(problems))


def _from_json(line: bytes) -> Query:
    try:
        value: Any = json.loads(_text(line))
    except ValueError as error:
        raise UsageError(f"It is no JSON ({error}).") from error
    except RecursionError as error:
        raise UsageError("Its JSON is nested too deeply.") from error
    if not isinstance(value, dict):
        raise UsageError('It is no JSON object like {"id": "q1", "question": "What happens?"}.')
    question, name = value.get("question"), value.get("id")
    if not isinstance(question, str):
        raise UsageError('It has no "question" that is a text.')
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int)):
        raise UsageError(f'Its "id" must be a text or a whole number, got {json.dumps(name)}.')
    return Query(question, name, _choices(value.get("choices")))


def _choices(value: Any) -> tuple[Option, ...]:
    """An object of letters and texts, or a list of texts, which are A, B, C ..."""
    if value is None:
        return ()
    if isinstance(value, list) and len(value) <= len(ascii_uppercase):
        value = dict(zip(ascii_uppercase, value, strict=False))
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UsageError('Its "choices" must be like {"A": "a dog", "B": "a cat"} or ["a dog", "a cat"].')
    found = tuple(Option(letter.strip(), text.strip()) for letter, text in value.items())
    check_options(found)
    return found


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"It is no text: byte {error.start + 1} of it is not UTF-8.") from error


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
