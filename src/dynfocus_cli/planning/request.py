"""First step of planning: the question, the video, and how much text they put into the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynfocus_cli.models.protocol import ModelSpec, ScoredQuestion
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.subtitles import most_subtitle_tokens
from dynfocus_cli.types import Option, VideoSource
from dynfocus_cli.video import Mentions, Subtitles, find_mentions, find_subtitles, probe


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
) -> Request:
    """Probes the video, reads its subtitles, and finds the times that the question names.

    Raises:
        VideoUnreadable: the file is no video.
        UsageError: a scorer that the model lacks, or a subtitle file that cannot be read.
    """
    scored = model.scorer(question, options.selection.scorer)
    if choices:
        scored = model.multiple_choice(scored, choices)
    source = probe(video)
    mentions = find_mentions(question or "", source.duration_s)
    subtitles, warnings = find_subtitles(source, options.subtitles)
    tokens = model.text_tokens(scored.text) + most_subtitle_tokens(model, scored.text, subtitles)
    warnings = (*warnings, *model.remarks(options.selection))
    return Request(scored, source, mentions, subtitles, tokens, warnings)
