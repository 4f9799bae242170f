"""What a result is known by: the video's content, the question, and what else an answer depends on."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.run_options import DecodingOptions

if TYPE_CHECKING:
    from dynfocus_cli.question_file import Query
    from dynfocus_cli.run_options import RunOptions
    from dynfocus_cli.types import ModelInfo

FORMAT = 1
"""Of keys. Another number makes other keys, so nothing old is taken for an answer."""


def settings_of(command: str, model: ModelInfo, options: RunOptions, selector: str | None = None) -> str:
    """All that an answer depends on beside the video's content and the question, as `name=value` words.

    Of the options those that are not at their default. Where and how an answer is computed is no part of it
    (device, decoding, cache): a run may go on elsewhere.

    Raises:
        UsageError: the subtitle file cannot be read.
    """
    named = {"model": model.name, "revision": model.revision, "quantization": model.quantization}
    changed = _changed(replace(options, decoding=DecodingOptions(), subtitles=_subtitles(options.subtitles)))
    if selector is not None:
        named["selector"] = selector
    words = [f"{name}={value}" for name, value in (named | changed).items()]
    return shlex.join([command, *words])


def _changed(options: Any) -> dict[str, Any]:
    """The fields of a dataclass, and of those within it, that are not at their default."""
    found: dict[str, Any] = {}
    default = type(options)()
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            found |= _changed(value)
        elif value != getattr(default, field.name):
            found[field.name] = value
    return found


def _subtitles(wanted: str) -> str:
    """A subtitle file by its content: it may have been edited under the same name."""
    if wanted in ("auto", "off"):
        return wanted
    try:
        with open(wanted, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError as error:
        raise UsageError(f"The subtitles {wanted} cannot be read ({error.strerror}).") from error


def content_of(video: str, digest: Callable[[str], str] | None = None) -> str:
    """What a video is known by: its content's digest, or its path where there is nothing to read.

    Args:
        digest: SHA-256 of a file's content, from a memory perhaps; None reads the file.
    """
    if os.path.isfile(video):  # a pipe or a device would be read for ever
        with suppress(OSError):
            if digest is not None:
                return f"sha256:{digest(video)}"
            with open(video, "rb") as file:
                return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return f"path:{os.fsencode(video).hex()}"


def key_of(settings: str, content: str, query: Query | None) -> str:
    """The key of a result: equal keys, equal answers."""
    question: tuple[Any, ...] | None = None
    if query is not None:
        question = (query.text, query.id)
        if query.choices:
            question += ([(option.letter, option.text) for option in query.choices],)
    text = json.dumps([FORMAT, settings, content, question])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
