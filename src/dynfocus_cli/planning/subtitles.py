"""Which subtitles enter the prompt: those on screen at sampled frames, as far as their tokens go."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.models.protocol import ModelSpec, ScoredQuestion
from dynfocus_cli.types import SubtitleUse
from dynfocus_cli.video import Subtitles, cues_on_screen, format_timecode
from dynfocus_cli.video.cues import Cue

SHARE = 0.25
"""Of the context, at most: the video is what the question is about."""


def most_subtitle_tokens(model: ModelSpec, question: ScoredQuestion, subtitles: Subtitles | None) -> int:
    """What subtitles may take of the context, whichever frames are sampled."""
    if subtitles is None:
        return 0
    limit = int(SHARE * model.context)
    # Each character is a token at most, so a few words need not be counted.
    if sum(len(cue.text) for cue in subtitles.cues) > limit:
        return limit
    return min(limit, _tokens(model, question, _lines(question, subtitles.cues)))


def fit_subtitles(
    model: ModelSpec, question: ScoredQuestion, subtitles: Subtitles | None, moments_s: Sequence[float]
) -> SubtitleUse | None:
    """The cues on screen at the moments; where they are too many, as many as fit, evenly chosen."""
    if subtitles is None:
        return None
    shown = _lines(question, cues_on_screen(subtitles.cues, moments_s))
    limit = int(SHARE * model.context)
    fewest, most = 0, len(shown)
    while fewest < most:
        count = (fewest + most + 1) // 2
        if _tokens(model, question, _evenly(shown, count)) <= limit:
            fewest = count
        else:
            most = count - 1
    lines = _evenly(shown, fewest)
    return SubtitleUse(subtitles.origin, len(shown), tuple(lines), _tokens(model, question, lines))


def prompt_tokens(model: ModelSpec, question: ScoredQuestion, lines: Sequence[str] | None) -> int:
    """Text tokens of the prompt with these subtitles, None for none."""
    worded = question.with_subtitles(lines)
    return model.text_tokens(worded.text, (lines or ()) if question.wording is None else (), worded.prefix)


def _tokens(model: ModelSpec, question: ScoredQuestion, lines: Sequence[str]) -> int:
    return max(0, prompt_tokens(model, question, lines) - prompt_tokens(model, question, None))


def _evenly(lines: Sequence[str], count: int) -> list[str]:
    """`count` of the lines: 2 of a b c d -> a c."""
    return [lines[place * len(lines) // count] for place in range(count)]


def _lines(question: ScoredQuestion, cues: Sequence[Cue]) -> list[str]:
    """The time to the second, since prompts speak of moments: `[00:01:05] text`; the text alone where
    somebody else words the prompt."""
    if question.wording is not None:
        return [cue.text for cue in cues]
    return [f"[{format_timecode(cue.start_s).partition('.')[0]}] {cue.text}" for cue in cues]
