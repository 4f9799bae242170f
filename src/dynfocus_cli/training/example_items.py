"""An item of a data file as training examples, in any of the layouts that are in use.

`conversations` as LLaVA and LLaMA-VID have them, `messages` as LLaMA-Factory and TRL do, or `question` and
`answer`; each with the path of its video.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import check_question

_PLACEHOLDER = re.compile(r"<(?:image|video)>")


@dataclass(frozen=True, slots=True)
class Example:
    """A question on a video, with its answer."""

    video: str
    """Path of a video, or of a picture, which is a video of one frame."""
    question: str
    answer: str
    where: str
    """For messages: the file, and its line or item."""

    @property
    def identity(self) -> str:
        """One name a video, however its path is written."""
        return os.path.realpath(self.video)


@dataclass(frozen=True, slots=True)
class Problem:
    """What was passed over, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class BrokenItem(Exception):
    """An item, or a turn of it, that cannot be used."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """The keys and values of a conversation."""

    turns: str
    speaker: str
    text: str
    user: tuple[str, ...]
    assistant: tuple[str, ...]


_LAYOUTS = (
    _Layout("conversations", "from", "value", ("human", "user"), ("gpt", "assistant")),
    _Layout("messages", "role", "content", ("user", "human"), ("assistant", "gpt")),
)


def parse_item(item: Any, media: Path, video: Path | None, where: str) -> Iterator[Example | Problem]:
    """The examples of an item; `video` takes the place of the path in it.

    Raises:
        BrokenItem: the item cannot be used. A turn that cannot is a problem of its own.
    """
    if not isinstance(item, dict):
        raise BrokenItem("it is no JSON object.")
    layout = next((layout for layout in _LAYOUTS if item.get(layout.turns) is not None), None)
    path = str(video) if video is not None else _media_path(item, layout, media)
    if layout is None:
        yield make_example(path, item.get("question"), item.get("answer"), where)
        return
    for turn, (question, answer) in enumerate(_turns(item[layout.turns], layout), 1):
        place = f"{where}, turn {turn}" if turn > 1 else where
        try:
            yield make_example(path, question, answer, place)
        except BrokenItem as error:
            yield Problem(place, str(error))


def make_example(video: str, question: Any, answer: Any, where: str) -> Example:
    """An example of values that came from a file. Raises BrokenItem."""
    if not isinstance(question, str):
        raise BrokenItem('it has no "question" that is a text.')
    if not isinstance(answer, str):
        raise BrokenItem('it has no "answer" that is a text.')
    question, answer = _PLACEHOLDER.sub("", question).strip(), answer.strip()
    if not answer:
        raise BrokenItem("its answer is empty.")
    try:
        check_question(question)
        answer.encode("utf-8")
    except UsageError as error:
        raise BrokenItem(str(error)) from error
    except UnicodeEncodeError as error:
        raise BrokenItem("its answer is not valid text.") from error
    return Example(video, question, answer, where)


def _media_path(item: dict[str, Any], layout: _Layout | None, media: Path) -> str:
    name = _first(item, "video", "image")
    several = item.get("videos") or item.get("images")
    if name is None and not several and layout is not None:
        several = [path for turn in _objects(item[layout.turns]) for path in _media_in(turn, layout)]
    if name is None and isinstance(several, list):
        if len(several) != 1:
            raise BrokenItem(f"it is about {len(several)} videos or images, and an example is about one.")
        name = several[0]
    if not isinstance(name, str) or not name:
        raise BrokenItem('it names no "video" (or "image").')
    path = media / name
    try:
        file, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        file = folder = False
    if not file:
        raise BrokenItem(f"{path} is {'a folder' if folder else 'not there'}.")
    return str(path)


def _turns(conversation: Any, layout: _Layout) -> Iterator[tuple[Any, Any]]:
    """Each question with the answer that follows it."""
    if not isinstance(conversation, list) or not all(isinstance(turn, dict) for turn in conversation):
        raise BrokenItem(f'its "{layout.turns}" are no list of objects.')
    turns = [turn for turn in conversation if turn.get(layout.speaker) != "system"]
    if not turns or len(turns) % 2:
        raise BrokenItem(f"its conversation is no row of questions and answers ({len(turns)} turns).")
    for question, answer in zip(turns[::2], turns[1::2], strict=True):
        speakers = question.get(layout.speaker), answer.get(layout.speaker)
        if speakers[0] not in layout.user or speakers[1] not in layout.assistant:
            raise BrokenItem(
                f'"{layout.user[0]}" and "{layout.assistant[0]}" must take turns, got {speakers[0]!r} and '
                f"{speakers[1]!r}."
            )
        yield _text(question, layout), _text(answer, layout)


def _text(turn: dict[str, Any], layout: _Layout) -> Any:
    """What is said in a turn: a text, or the texts of a list of typed parts; else what is no text."""
    text = turn.get(layout.text)
    if not isinstance(text, list):
        return text
    parts = [part.get("text") for part in _objects(text) if part.get("type") == "text"]
    said = [part for part in parts if part is not None]
    return "\n".join(said) if all(isinstance(part, str) for part in said) else None


def _media_in(turn: dict[str, Any], layout: _Layout) -> Iterator[Any]:
    """The videos and images among the typed parts of a turn: {"type": "video", "video": "a.mp4"}."""
    for part in _objects(turn.get(layout.text)):
        if (kind := part.get("type")) in ("video", "image"):
            path = _first(part, kind, "path")
            yield path.removeprefix("file://") if isinstance(path, str) else path


def _first(item: dict[str, Any], *keys: str) -> Any:
    """The first value that is there; tables that became JSON have null for the columns that a row lacks."""
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none of anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
