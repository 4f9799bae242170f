"""What a model is to learn: questions on videos with their answers, read from files as they are found.

Four layouts are known: the JSON of LLaVA and LLaMA-VID (`conversations`), that of LLaMA-Factory and TRL
(`messages`), JSON or JSON lines of objects with `video`, `question` and `answer`, and a folder of videos with
a file of the same name beside each. What is broken is named and passed over, as in a folder of
videos that are asked about.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynfocus_cli.batch.videos import Search
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import check_question

DATA_SUFFIXES = (".json", ".jsonl")
SIDECARS = (".json", ".jsonl", ".txt")
"""What may stand beside a video of a folder; the first that is there counts."""
NOTHING = 'it is empty. An example is an object with "video", "question" and "answer".'
CAPTION_QUESTION = "Describe the video."
"""What a caption answers."""

_PLACEHOLDER = re.compile(r"<(?:image|video)>")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a conversation is written."""

    key: str
    """Of the list of turns."""
    speaker: str
    words: str
    asks: tuple[str, ...]
    answers: tuple[str, ...]


_CONVERSATIONS = (
    _Layout("conversations", "from", "value", ("human", "user"), ("gpt", "assistant")),
    _Layout("messages", "role", "content", ("user", "human"), ("assistant", "gpt")),
)


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn."""

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


def videos_of(examples: Iterable[Example]) -> int:
    """How many videos they are about."""
    return len({example.identity for example in examples})


@dataclass(frozen=True, slots=True)
class Problem:
    """What was passed over, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Examples:
    """What a data file or folder holds."""

    usable: tuple[Example, ...]
    problems: tuple[Problem, ...]


class _Broken(Exception):
    """An item, or a turn of it, that cannot be used."""


def read_examples(data: Path, media: Path | None = None, *, recursive: bool = False) -> Examples:
    """Reads a data file, or a folder.

    A folder with one `.json` or `.jsonl` file that is no video's own is that file; any other is its videos,
    each with `NAME.json`, `NAME.jsonl` (as a data file, of this video) or `NAME.txt` (a caption) beside it.

    Args:
        media: where relative paths of videos begin; by default the folder of the data file.
        recursive: read the folders below a folder of videos as well, each as such a folder.

    Raises:
        UsageError: nothing can be read, or nothing of it can be used.
    """
    if data.is_dir():
        try:
            found = _collect(_read_folder(data, media, recursive))
        except _Broken as error:
            raise UsageError(f"{data}: {error}") from error
        if found == Examples((), ()):
            below = "" if recursive else ": with --recursive those in folders below it count too"
            raise UsageError(f"{data} holds neither videos nor a .json or .jsonl file{below}.")
    elif data.suffix.lower() not in DATA_SUFFIXES and Search(False, ()).takes(data.name):
        raise UsageError(
            f"{data} is a video: name a folder of videos with a file of questions beside each, or a data "
            "file (.json, .jsonl)."
        )
    elif data.exists():
        found = _collect(_read_file(data, media or data.parent, None))
    else:
        raise UsageError(f"The data {data} is not there.")
    if not found.usable:
        said = f": {found.problems[0]}" if found.problems else f": {NOTHING}"
        more = f" And {len(found.problems) - 1} more." if len(found.problems) > 1 else ""
        raise UsageError(f"{data} holds no example that can be used{said}{more}")
    return found


def _collect(read: Iterable[Example | Problem]) -> Examples:
    every = list(read)
    return Examples(
        tuple(one for one in every if isinstance(one, Example)),
        tuple(one for one in every if isinstance(one, Problem)),
    )


def _read_folder(folder: Path, media: Path | None, recursive: bool) -> Iterator[Example | Problem]:
    """
    Raises:
        _Broken: the folder is of no use. One below it is a problem of its own.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise _Broken(f"it cannot be read: {error.strerror}.") from error
    videos = [folder / name for name in names if Search(False, ()).takes(name)]
    if (own := _data_file(folder, names, {video.stem for video in videos})) is not None:
        yield from _read_file(own, media or folder, None)
        return
    files = {(Path(name).stem, Path(name).suffix.lower()): folder / name for name in names}
    for video in videos:
        yield from _beside(video, files)
    # Links are not followed, for they may lead in a circle.
    below = [folder / name for name in names if recursive and not name.startswith(".")]
    for inner in below:
        if inner.is_dir() and not inner.is_symlink():
            try:
                yield from _read_folder(inner, media, recursive)
            except (_Broken, UsageError) as error:
                yield Problem(str(inner), str(error))


def _data_file(folder: Path, names: Iterable[str], videos: Collection[str]) -> Path | None:
    """The data file of a folder that has one; those of `videos`, which are stems, are none.

    Raises:
        _Broken: there are several.
    """
    own = [
        name
        for name in names
        if name.lower().endswith(DATA_SUFFIXES) and not name.startswith(".") and Path(name).stem not in videos
    ]
    if len(own) > 1:
        raise _Broken(f"it holds several data files ({', '.join(own)}): name one of them.")
    return folder / own[0] if own else None


def _beside(video: Path, files: Mapping[tuple[str, str], Path]) -> Iterator[Example | Problem]:
    """From the first of the files beside a video; `files` has a folder's, by stem and small suffix."""
    for suffix in SIDECARS:
        sidecar = files.get((video.stem, suffix))
        if sidecar is None or not sidecar.is_file():
            continue
        try:
            if suffix != ".txt":
                yield from _read_file(sidecar, video.parent, video)
            else:
                yield _example(str(video), CAPTION_QUESTION, _text_of(_bytes_of(sidecar)), str(sidecar))
        except (_Broken, UsageError) as error:
            yield Problem(str(sidecar), str(error))
        return
    yield Problem(str(video), f"it has none of {', '.join(f'{video.stem}{s}' for s in SIDECARS)} beside it.")


def _read_file(path: Path, media: Path, video: Path | None) -> Iterator[Example | Problem]:
    """Of one data file; `video` is what its items are about where they are a video's own."""
    for where, item in _items(path, _bytes_of(path)):
        if isinstance(item, _Broken):
            yield Problem(where, str(item))
            continue
        try:
            yield from _of_item(item, media, video, where)
        except _Broken as error:
            yield Problem(where, str(error))


def _items(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    """Each item with its place: of a JSON list or object, else of each line."""
    if path.suffix.lower() != ".jsonl":
        whole = _parsed(data)
        if not isinstance(whole, _Broken):
            items = whole if isinstance(whole, list) else [whole]
            yield from ((f"{path}, item {number}", item) for number, item in enumerate(items, 1))
            return
        if data.lstrip().startswith(b"[") or b"\n" not in data.strip():
            yield str(path), whole
            return
    # Lines end in line feeds alone: JSON may hold other line breaks that `splitlines` knows.
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", _parsed(line)


def _parsed(data: bytes) -> Any:
    """What JSON stands for, or what is wrong with it."""
    try:
        return json.loads(_text_of(data))
    except _Broken as error:
        return error
    except (ValueError, RecursionError) as error:
        return _Broken(f"it is no JSON ({error}).")


def _of_item(item: Any, media: Path, video: Path | None, where: str) -> Iterator[Example | Problem]:
    if not isinstance(item, dict):
        raise _Broken("it is no JSON object.")
    layout = next((layout for layout in _CONVERSATIONS if layout.key in item), None)
    shown = str(video) if video is not None else _media_of(item, layout, media)
    if layout is not None:
        for turn, (question, answer) in enumerate(_turns(item[layout.key], layout), 1):
            place = f"{where}, turn {turn}" if turn > 1 else where
            try:
                yield _example(shown, question, answer, place)
            except _Broken as error:
                yield Problem(place, str(error))
        return
    yield _example(shown, item.get("question"), item.get("answer"), where)


def _media_of(item: dict[str, Any], layout: _Layout | None, media: Path) -> str:
    named = item.get("video", item.get("image"))
    several = item.get("videos") or item.get("images")
    if named is None and not several and layout is not None:
        several = [shown for turn in _list(item[layout.key]) for shown in _shown(turn, layout)]
    if named is None and isinstance(several, list):
        if len(several) != 1:
            raise _Broken(f"it is about {len(several)} videos or images, and an example is about one.")
        named = several[0]
    if not isinstance(named, str) or not named:
        raise _Broken('it names no "video" (or "image").')
    path = media / named
    try:
        there, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        there = folder = False
    if not there:
        raise _Broken(f"{path} is {'a folder' if folder else 'not there'}.")
    return str(path)


def _turns(conversation: Any, layout: _Layout) -> Iterator[tuple[Any, Any]]:
    """Each question with the answer that follows it."""
    if not isinstance(conversation, list) or not all(isinstance(turn, dict) for turn in conversation):
        raise _Broken(f'its "{layout.key}" are no list of objects.')
    said = [turn for turn in conversation if turn.get(layout.speaker) != "system"]
    if not said or len(said) % 2:
        raise _Broken(f"its conversation is no row of questions and answers ({len(said)} turns).")
    for asked, answered in zip(said[::2], said[1::2], strict=True):
        speakers = asked.get(layout.speaker), answered.get(layout.speaker)
        if speakers[0] not in layout.asks or speakers[1] not in layout.answers:
            raise _Broken(
                f'"{layout.asks[0]}" and "{layout.answers[0]}" must take turns, got {speakers[0]!r} and '
                f"{speakers[1]!r}."
            )
        yield _words(asked, layout), _words(answered, layout)


def _words(turn: dict[str, Any], layout: _Layout) -> Any:
    """What is said in a turn: a text, or the texts of a list of typed parts."""
    words = turn.get(layout.words)
    if not isinstance(words, list):
        return words
    texts = [str(part.get("text", "")) for part in _list(words) if part.get("type") == "text"]
    return "\n".join(texts)


def _shown(turn: dict[str, Any], layout: _Layout) -> Iterator[Any]:
    """The videos and images among the typed parts of a turn: {"type": "video", "video": "a.mp4"}."""
    for part in _list(turn.get(layout.words)):
        if (kind := part.get("type")) in ("video", "image"):
            path = part.get(kind, part.get("path"))
            yield path.removeprefix("file://") if isinstance(path, str) else path


def _list(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, and none of what is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _example(video: str, question: Any, answer: Any, where: str) -> Example:
    if not isinstance(question, str):
        raise _Broken('it has no "question" that is a text.')
    if not isinstance(answer, str):
        raise _Broken('it has no "answer" that is a text.')
    question, answer = _PLACEHOLDER.sub("", question).strip(), answer.strip()
    if not answer:
        raise _Broken("its answer is empty.")
    try:
        check_question(question)
        answer.encode("utf-8")
    except UsageError as error:
        raise _Broken(str(error)) from error
    except UnicodeEncodeError as error:
        raise _Broken("its answer is not valid text.") from error
    return Example(video, question, answer, where)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Broken(f"byte {error.start + 1} of it is not UTF-8: save the file as UTF-8.") from error
