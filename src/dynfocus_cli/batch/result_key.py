"""The key of a result: the video's content, the question, and everything else that an answer depends on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynfocus_cli.files import json_digest, known_digest
from dynfocus_cli.flags import values_of

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.types import ModelInfo
    from dynfocus_cli.video import Subtitles

FORMAT = 3
"""Of keys. Another number makes other keys, so nothing old is taken for an answer; it is raised where the
program comes to answer otherwise."""


PATH = "path:"
"""How the identity of a video begins whose content cannot be read."""


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer depends on in a video, and beside it."""

    key: str
    """The same for the same content, whatever it is called."""
    subtitles: str | None = None
    """The name of the file beside the video whose cues count, where such files are looked for; no part of
    the key, since it may be moved with the video."""


def settings_of(command: str, model: ModelInfo, options: RunOptions, more: object | None = None) -> str:
    """The settings that an answer depends on, without video and question, as `name=value` words.

    Of the options those that are not at their default. Where and how an answer is computed is no part of it
    (device, decoding, cache): a run may go on elsewhere.

    Args:
        more: further options that a record depends on, such as what is asked of a search.

    Raises:
        UsageError: the subtitle file cannot be read, or holds no cues.
    """
    named = {
        "model": model.name,
        "revision": model.revision,
        "config": model.config,
        "quantization": model.quantization,
        "selector": model.selector,
    }
    options = replace(options, subtitles=_subtitles(options.subtitles))
    changed = {
        flag.field_name: value
        for flag, value in (*values_of(options), *(() if more is None else values_of(more)))
        if flag.affects_result and value != flag.default
    }
    words = [f"{name}={value}" for name, value in (named | changed).items() if value != ""]
    return shlex.join([command, *words])


def _subtitles(option: str) -> str:
    """A subtitle file by its cues: it may have been edited under the same name."""
    if option in ("auto", "off"):
        return option
    from dynfocus_cli.video.subtitles import Subtitles, read_cues

    return _cues(Subtitles(read_cues(Path(option)), ""))[:12]


def digest_function(*, cache: bool) -> Callable[[str], str]:
    """SHA-256 of a file's content; with `cache` it is remembered in the user's cache, where there is one."""

    def digest(path: str) -> str:
        from dynfocus_cli.features.cache import FeatureCache

        folder = FeatureCache.default() if cache else None
        return known_digest(path) if folder is None else folder.digest(path)

    return digest


def content_of(
    video: str, *, digest: Callable[[str], str] = known_digest, subtitles_beside: bool = False
) -> Content:
    """The identity of a video: its content's digest, or its path where the file cannot be read.

    Args:
        digest: SHA-256 of a file's content.
        subtitles_beside: an answer also depends on the subtitle file beside the video, if there is one.
    """
    key = f"{PATH}{os.fsencode(video).hex()}"
    if os.path.isfile(video):  # a pipe or a device would be read for ever
        with suppress(OSError):
            key = f"sha256:{digest(video)}"
    if subtitles_beside:
        from dynfocus_cli.video.subtitles import subtitles_beside as find_subtitles

        subtitles, _ = find_subtitles(Path(video)) if "\0" not in video else (None, ())
        if subtitles is not None:
            return Content(f"{key} subtitles:{_cues(subtitles)}", subtitles.origin)
    return Content(key)


def _cues(subtitles: Subtitles) -> str:
    """A digest of the cues' times and texts, which does not depend on the file's name or layout."""
    cues = [(cue.start_s, cue.end_s, cue.text) for cue in subtitles.cues]
    return json_digest(cues)


def key_of(settings: str, content: Content, query: Query | None, arm: str = "") -> str:
    """The key of a result: equal keys, equal answers.

    Args:
        arm: which of several ways of answering it is, where results of several are in one file.
    """
    question: tuple[Any, ...] | None = None
    if query is not None:
        question = (query.text, query.id)
        if query.choices:
            question += ([(option.letter, option.text) for option in query.choices],)
    known = [FORMAT, settings, content.key, question]
    return json_digest([*known, arm] if arm else known)[:32]
