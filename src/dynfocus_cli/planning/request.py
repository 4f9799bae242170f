"""First step of planning: the question, the video, and how much text they put into the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dynfocus_cli.models.protocol import ModelSpec, ScoredQuestion, Wording
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.subtitles import most_subtitle_tokens
from dynfocus_cli.types import Option, VideoSource
from dynfocus_cli.video import Mentions, Subtitles, find_mentions, find_subtitles, probe


@dataclass(frozen=True, slots=True)
class CustomPrompt:
    """A prompt that somebody else than the model words, as a benchmark's makers; frames are chosen by the
    question all the same."""

    wording: Wording
    subtitles: Subtitles | None = None
    """Those that are given to `wording`; None takes those that the options ask for."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question about a video, before it is decided which frames are sampled."""

    question: ScoredQuestion
    source: VideoSource
    mentions: Mentions
    subtitles: Subtitles | None
    text_tokens: int
    """The most that prompt and subtitles can take."""
    warnings: tuple[str, ...]


def read_request(
    video: str,
    question: str | None,
    model: ModelSpec,
    options: RunOptions,
    choices: Sequence[Option] = (),
    prompt: CustomPrompt | None = None,
) -> Request:
    """Probes the video, reads its subtitles, and finds the times that the question names.

    Args:
        prompt: what the language model reads, where the model does not word it itself.

    Raises:
        VideoUnreadable: the file is no video.
        UsageError: a scorer that the model lacks, or a subtitle file that cannot be read.
    """
    scored = model.scorer(question, options.selection.scorer)
    if choices:
        scored = model.multiple_choice(scored, choices)
    if prompt is not None:
        letters = tuple(option.letter for option in choices)
        scored = replace(scored, wording=prompt.wording, answers=letters).with_subtitles(None)
    source = probe(video)
    mentions = find_mentions(question or "", source.duration_s)
    subtitles, warnings = find_subtitles(source, options.subtitles)
    if prompt is not None and prompt.subtitles is not None:
        subtitles = prompt.subtitles
    tokens = model.text_tokens(scored.text, prefix=scored.prefix)
    tokens += most_subtitle_tokens(model, scored, subtitles)
    warnings = (*warnings, *model.remarks(options.selection))
    return Request(scored, source, mentions, subtitles, tokens, warnings)
