"""A model as evaluation harnesses want it: arguments by name, requests in messages, likelihoods of any text.

Nothing of a harness is imported here; `lmms_eval_plugin.py` fits this to lmms-eval.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from dynfocus_cli import pipeline
from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.open import load_model
from dynfocus_cli.options import (
    DecodingOptions,
    GenerationOptions,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
)
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Option, Prompt

logger = logging.getLogger(__name__)

GROUPS = {
    "sampling": SamplingOptions,
    "selection": SelectionOptions,
    "generation": GenerationOptions,
    "decoding": DecodingOptions,
}
"""Fields of `RunOptions` -> whose fields may be set by name."""

_GROUP_OF = {field.name: group for group, kind in GROUPS.items() for field in fields(kind)}

IMPOSSIBLE = float("-inf")
"""The logarithm of the likelihood of any text about a video that cannot be read."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A text about one video, or about a part of it."""

    text: str
    video: str
    start_s: float | None = None
    end_s: float | None = None


def read_messages(messages: Sequence[Mapping[str, Any]], earlier: VideoRequest | None = None) -> VideoRequest:
    """What is asked in messages whose content is a text, or pieces of the types `text` and `video`.

    Args:
        earlier: an earlier request of the same conversation, whose video is meant where there is none.

    Raises:
        UsageError: there is no video, or there are several, or anything but videos and texts.
    """
    texts: list[str] = []
    videos: list[Mapping[str, Any]] = []
    for message in messages:
        content = message["content"]
        pieces = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for piece in pieces:
            if piece["type"] == "text":
                texts.append(piece["text"])
            elif piece["type"] == "video":
                videos.append(piece)
            else:
                raise UsageError(f"dynfocus answers about videos, and the task shows it {piece['type']}.")
    if not videos and earlier is not None:
        return replace(earlier, text="\n".join(texts))
    if len(videos) != 1:
        raise UsageError(f"dynfocus answers about one video at a time, and the task shows {len(videos)}.")
    (video,) = videos
    return VideoRequest("\n".join(texts), _path(video["url"]), video.get("start_time"), video.get("end_time"))


def read_visuals(text: str, visuals: Sequence[object] | None) -> VideoRequest:
    """What is asked by a text and what it is shown with. Raises UsageError, as `read_messages` does."""
    if visuals is None or len(visuals) != 1:
        count = len(visuals or ())
        raise UsageError(f"dynfocus answers about one video at a time, and the task shows {count}.")
    return VideoRequest(text, _path(visuals[0]))


def run_options(arguments: Mapping[str, Any]) -> RunOptions:
    """Options by the names of their fields, such as `fps` and `budget`.

    Raises:
        UsageError: there is no such option, or its value is out of its range or of another type.
    """
    groups: dict[str, dict[str, Any]] = {name: {} for name in GROUPS}
    for name, value in arguments.items():
        if name not in _GROUP_OF:
            raise UsageError(f"dynfocus has no option {name!r}; it has {', '.join(sorted(_GROUP_OF))}.")
        groups[_GROUP_OF[name]][name] = value
    try:
        return RunOptions(**{name: GROUPS[name](**values) for name, values in groups.items()})
    except TypeError as error:
        raise UsageError(f"A value of {dict(arguments)} is of the wrong type: {error}.") from error


class HarnessModel:
    """A loaded model and the options that all its answers are given with.

    Raises:
        ModelUnavailable: unknown, incomplete, damaged, or it cannot run here.
        UsageError: an option that there is not, or a value out of its range.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        device: str | None = None,
        quantize: Any = None,
        selector: str | None = None,
        **options: Any,
    ) -> None:
        self._options = run_options(options)
        kind = (device or "auto").partition(":")[0]  # of `cuda:0`
        self._model = load_model(pretrained, kind, quantize, selector)
        self._memory_cache = MemoryFeatureCache()

    def generate(self, request: VideoRequest, settings: Mapping[str, Any] | None = None) -> str:
        """The answer that `ask` gives; empty for a video that cannot be read, which is logged.

        Args:
            settings: of generation, as harnesses call them: `max_new_tokens`, `temperature`, and `until`,
                texts at which the answer ends; others, such as `top_p`, are not known and left out.
        """
        settings = settings or {}
        try:
            answer = self._ask(request, self._generation(settings))
        except VideoUnreadable as error:
            logger.error("%s: %s", request.video, error)
            return ""
        until = settings.get("until") or ()
        for end in [until] if isinstance(until, str) else until:
            answer = answer.partition(end)[0] if end else answer
        return answer

    def log_likelihoods(
        self, request: VideoRequest, continuations: Sequence[str]
    ) -> list[tuple[float, bool]]:
        """Of each continuation the logarithm of its likelihood, and whether it is the model's own answer.

        The paper's network takes them as the answers to choose from that `ask` is given as `choices`, a
        public model as the words that come after the text. Spaces around them do not count.
        """
        texts = [continuation.strip() for continuation in continuations]
        try:
            own = self._ask(request, self._options.generation).strip()
            choices = list(dict.fromkeys([*texts, own or "."]))
            if len(choices) == 1:  # it is compared with anything else, which does not change its likelihood
                choices.append("." if own != "." else "?")
            likelihoods = dict(zip(choices, self._likelihoods(request, choices), strict=True))
        except VideoUnreadable as error:
            logger.error("%s: %s", request.video, error)
            return [(IMPOSSIBLE, False) for _ in texts]
        return [(likelihoods[text], text == own) for text in texts]

    def _likelihoods(self, request: VideoRequest, texts: Sequence[str]) -> list[float]:
        if self._model.info.backend == "dynfocus":
            options = [Option(str(number), text) for number, text in enumerate(texts)]
            prompt = None
        else:  # by its own prompt it would rank letters of listed options
            options = [Option(text, text) for text in texts]
            prompt = CustomPrompt(lambda subtitles: Prompt("\n".join([*(subtitles or ()), request.text])))
        answer = pipeline.ask(
            request.video,
            request.text,
            self._model,
            self._run_options(request, self._options.generation),
            Silent(),
            options,
            memory_cache=self._memory_cache,
            prompt=prompt,
        )
        return [option.log_likelihood for option in answer.options]

    def _ask(self, request: VideoRequest, generation: GenerationOptions) -> str:
        options = self._run_options(request, generation)
        return pipeline.ask(
            request.video, request.text, self._model, options, Silent(), memory_cache=self._memory_cache
        ).answer

    def _run_options(self, request: VideoRequest, generation: GenerationOptions) -> RunOptions:
        sampling = self._options.sampling
        if request.start_s is not None or request.end_s is not None:
            sampling = replace(sampling, start_s=request.start_s, end_s=request.end_s)
        return replace(self._options, sampling=sampling, generation=generation)

    def _generation(self, settings: Mapping[str, Any]) -> GenerationOptions:
        """The options of generation, with those of a task in their place."""
        changes: dict[str, Any] = {}
        if settings.get("max_new_tokens"):
            changes["max_new_tokens"] = settings["max_new_tokens"]
        if settings.get("do_sample") and settings.get("temperature"):
            changes["temperature"] = float(settings["temperature"])
        return replace(self._options.generation, **changes)


def _path(visual: object) -> str:
    """The path of a video that a task shows. Raises UsageError where it shows anything else."""
    if not isinstance(visual, str):
        kind = type(visual).__name__
        raise UsageError(f"dynfocus answers about videos in files, and the task shows it a {kind}.")
    return visual.removeprefix("file://")
