"""Training examples, questions on videos with their answers, read from data files and folders.

Data files are JSON or JSON lines; `example_items.py` knows the layouts of their items. A folder of videos has
a file of the same name beside each. What is broken is returned as a problem, and costs nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynfocus_cli.batch.videos import Search
from dynfocus_cli.errors import UsageError
from dynfocus_cli.training.example_items import BrokenItem, Example, Problem, make_example, parse_item

DATA_SUFFIXES = (".json", ".jsonl")
SIDECAR_SUFFIXES = (*DATA_SUFFIXES, ".txt")
"""Of files beside a video of a folder; the first that is there counts."""
CAPTION_QUESTION = "Describe the video."
"""The question that a caption answers."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The content of a data file or folder."""

    usable: tuple[Example, ...]
    problems: tuple[Problem, ...]


def count_videos(examples: Iterable[Example]) -> int:
    """How many videos the examples are about."""
    return len({example.identity for example in examples})


def read_examples(data: Path, media: Path | None = None, *, recursive: bool = False) -> Examples:
    """Reads a data file, or a folder.

    A folder with one `.json` or `.jsonl` file that is no video's own stands for that file; any other for its
    videos, each with `NAME.json`, `NAME.jsonl` (a data file on this video) or `NAME.txt` (a caption) beside
    it.

    Args:
        media: the folder of relative paths of videos; by default that of the data file.
        recursive: read the folders below a folder of videos as well, each as such a folder.

    Raises:
        UsageError: nothing can be read, or nothing of it can be used.
    """
    if data.is_dir():
        try:
            read = list(_read_folder(data, media, recursive))
        except BrokenItem as error:
            raise UsageError(f"{data}: {error}") from error
        if not read:
            below = "" if recursive else ": with `recursive` those in folders below it count too"
            raise UsageError(f"{data} holds neither videos nor a .json or .jsonl file{below}.")
    elif data.suffix.lower() not in DATA_SUFFIXES and Search(False, ()).takes(data.name):
        raise UsageError(
            f"{data} is a video: name a folder of videos with a file of questions beside each, or a data "
            "file (.json, .jsonl)."
        )
    elif data.exists():
        read = list(_read_file(data, media or data.parent, None))
    else:
        raise UsageError(f"The data {data} is not there.")
    usable = tuple(one for one in read if isinstance(one, Example))
    problems = tuple(one for one in read if isinstance(one, Problem))
    if not usable:
        first = (
            problems[0]
            if problems
            else ('it is empty. An example is an object with "video", "question" and "answer".')
        )
        more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
        raise UsageError(f"{data} holds no example that can be used: {first}{more}")
    return Examples(usable, problems)


def _read_folder(folder: Path, media: Path | None, recursive: bool) -> Iterator[Example | Problem]:
    """
    Raises:
        BrokenItem: the folder cannot be used. One below it is a problem of its own.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise BrokenItem(f"it cannot be read: {error.strerror}.") from error
    videos = [folder / name for name in names if Search(False, ()).takes(name)]
    stems = {video.stem for video in videos}
    data_files = [
        name
        for name in names
        if name.lower().endswith(DATA_SUFFIXES) and not name.startswith(".") and Path(name).stem not in stems
    ]
    if len(data_files) > 1:
        raise BrokenItem(f"it holds several data files ({', '.join(data_files)}): name one of them.")
    if data_files:
        yield from _read_file(folder / data_files[0], media or folder, None)
        return
    files = {(Path(name).stem, Path(name).suffix.lower()): folder / name for name in names}
    for video in videos:
        yield from _read_sidecar(video, files)
    for name in names:
        inner = folder / name
        # Links are not followed, for they may lead in a circle.
        if recursive and not name.startswith(".") and inner.is_dir() and not inner.is_symlink():
            try:
                yield from _read_folder(inner, media, recursive)
            except (BrokenItem, UsageError) as error:
                yield Problem(str(inner), str(error))


def _read_sidecar(video: Path, files: Mapping[tuple[str, str], Path]) -> Iterator[Example | Problem]:
    """Reads the first of the files beside a video; `files` has the folder's by stem and lower-case suffix."""
    for suffix in SIDECAR_SUFFIXES:
        sidecar = files.get((video.stem, suffix))
        if sidecar is None or not sidecar.is_file():
            continue
        try:
            if suffix != ".txt":
                yield from _read_file(sidecar, video.parent, video)
            else:
                yield make_example(str(video), CAPTION_QUESTION, _decode(_read_bytes(sidecar)), str(sidecar))
        except (BrokenItem, UsageError) as error:
            yield Problem(str(sidecar), str(error))
        return
    beside = ", ".join(f"{video.stem}{suffix}" for suffix in SIDECAR_SUFFIXES)
    yield Problem(str(video), f"it has none of {beside} beside it.")


def _read_file(path: Path, media: Path, video: Path | None) -> Iterator[Example | Problem]:
    """Reads a data file; `video` is what its items are about where it stands beside a video."""
    for where, item in _items(path, _read_bytes(path)):
        try:
            if isinstance(item, BrokenItem):
                raise item
            yield from parse_item(item, media, video, where)
        except BrokenItem as error:
            yield Problem(where, str(error))


def _items(path: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    """The items of a JSON list, a single JSON object, or those of each line, with where they stand."""
    if path.suffix.lower() != ".jsonl":
        whole = _parse_json(data)
        if not isinstance(whole, BrokenItem):
            items = whole if isinstance(whole, list) else [whole]
            yield from ((f"{path}, item {number}", item) for number, item in enumerate(items, 1))
            return
        if data.lstrip().startswith(b"[") or b"\n" not in data.strip():
            yield str(path), whole
            return
    # Lines end in line feeds alone: JSON may hold other line breaks that `splitlines` knows.
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", _parse_json(line)


def _parse_json(data: bytes) -> Any:
    """The value, or a BrokenItem that says what is wrong."""
    try:
        return json.loads(_decode(data))
    except BrokenItem as error:
        return error
    except (ValueError, RecursionError) as error:
        return BrokenItem(f"it is no JSON ({error}).")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenItem(f"byte {error.start + 1} of it is not UTF-8: save the file as UTF-8.") from error
