"""The language model's word on moments that a retriever found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.moment import Moment
from dynfocus_cli.options import DecodingOptions, RunOptions, SamplingOptions
from dynfocus_cli.pipeline.spine import ask
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Option, Span

QUESTION = "Does the video show {caption}?"
YES, NO = Option("A", "yes"), Option("B", "no")
LEAST_FRAMES = 4
"""Of a moment, however short it is."""


def verified(
    moments: Sequence[Moment], caption: str, model: Backend, most: int, decoding: DecodingOptions
) -> tuple[Moment, ...]:
    """The moments, the first `most` of them with the log-odds of "yes": the model is asked whether the part
    of the video within their borders shows what the caption says.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    asked = (
        replace(
            moment,
            log_odds=log_odds_of(moment.video, (moment.start_s, moment.end_s), caption, model, decoding),
        )
        for moment in moments[:most]
    )
    return (*asked, *moments[most:])


def log_odds_of(video: str, span: Span, caption: str, model: Backend, decoding: DecodingOptions) -> float:
    """The logarithm of how many times as likely "yes" is as "no", when the model is asked whether this
    stretch of the file `video` shows what `caption` says.

    Raises:
        VideoUnreadable: no frame can be had of the file.
    """
    start_s, end_s = span
    fps = max(model.spec.defaults.fps, LEAST_FRAMES / (end_s - start_s))
    sampling = SamplingOptions(start_s=start_s, end_s=end_s, fps=fps)
    question = QUESTION.format(caption=caption)
    options = RunOptions(sampling=sampling, decoding=decoding, anyway=True)
    answer = ask(video, question, model, options, Silent(), (YES, NO))
    yes, no = (option.log_likelihood for option in answer.options)
    return yes - no
