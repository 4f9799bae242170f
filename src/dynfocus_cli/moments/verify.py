"""The language model's word on moments that a retriever found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.moment import Moment
from dynfocus_cli.options import RunOptions, SamplingOptions
from dynfocus_cli.pipeline.spine import ask
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Option

QUESTION = "Does the video show {caption}?"
YES, NO = Option("A", "yes"), Option("B", "no")
LEAST_FRAMES = 4
"""Of a moment, however short it is."""


def verified(moments: Sequence[Moment], caption: str, model: Backend, most: int) -> tuple[Moment, ...]:
    """The moments, the first `most` of them with the log-odds of "yes": the model is asked whether the part
    of the video within their borders shows what the caption says.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    asked = (replace(moment, log_odds=log_odds(moment, caption, model)) for moment in moments[:most])
    return (*asked, *moments[most:])


def log_odds(moment: Moment, caption: str, model: Backend) -> float:
    """The logarithm of how many times as likely "yes" is as "no"."""
    fps = model.spec.defaults.fps
    sampling = SamplingOptions(
        start_s=moment.start_s, end_s=moment.end_s, fps=max(fps, LEAST_FRAMES / moment.length_s)
    )
    answer = ask(
        moment.video,
        QUESTION.format(caption=caption),
        model,
        RunOptions(sampling=sampling, anyway=True),
        Silent(),
        (YES, NO),
    )
    yes, no = (option.log_likelihood for option in answer.options)
    return yes - no
