"""What ranks the events of a video: each scorer is declared here, free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from dynfocus_cli.types import Scorer


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """A scorer in the words of each place that speaks of it."""

    on_page: str
    """After "ranks the events by", on a result's page."""
    in_warning: str
    """After "its events are ranked by", in a warning."""
    on_card: str
    """After "key frames chosen by", on a model card, which names the part of the network."""
    needs_question: bool = False
    learned: bool = False
    """Whether the ranks come from the score network, and can be trained."""


SCORERS: dict[Scorer, ScorerInfo] = {
    "visual": ScorerInfo(
        on_page="a trained score, on the pictures alone",
        in_warning="a trained score, on the pictures alone",
        on_card="a trained score network, on pixels alone",
        learned=True,
    ),
    "question": ScorerInfo(
        on_page="how well an event matches the question",
        in_warning="how well an event matches the question",
        on_card="a trained score network, with the question",
        needs_question=True,
        learned=True,
    ),
    "attention": ScorerInfo(
        on_page="how much of the question's attention an event draws",
        in_warning="the Q-Former's attention from the question to the frames",
        on_card="the Q-Former's attention from the question to the frames (no score network was trained)",
        needs_question=True,
    ),
    "density": ScorerInfo(
        on_page="how dense and how distinct an event is",
        in_warning="how dense and how distinct each is",
        on_card="how dense and how distinct an event is",
    ),
}

HELP = (
    "Rank events by a score trained on the picture (visual), or the question too; by attention; "
    "by density, as public models do."
)
"""Of the option."""

SCHEMA_DESCRIPTION = (
    "What ranked the events: visual (pixels alone), question, attention (from the question to the frames), "
    "or density."
)
