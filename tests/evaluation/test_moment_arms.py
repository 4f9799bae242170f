"""Arms make moments of the same frames and scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dynfocus_cli.evaluation.item import RankedSpan
from dynfocus_cli.evaluation.moment_arms import MOMENT_ARMS, MomentQuery, stretches_of
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.moments.embedding import VideoVectors
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.options import DecodingOptions, FindOptions
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.video import probe

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")


class OneWord(Retriever):
    """Vectors whose first number is how well they fit the only caption."""

    scale, bias, threshold, is_measured = 20.0, -10.0, 0.5, True
    weights, device = 0, torch.device("cpu")

    @property
    def tower(self) -> VisionTower:
        raise AssertionError("the frames are embedded already")

    def text(self, caption: str) -> Tensor:
        return torch.tensor([1.0, 0.0])


def query(fits: list[float], events: int = 64, **options: float) -> MomentQuery:
    """A video of a frame a second, of which each fits so well; every frame has a look of its own."""
    vectors = torch.tensor([[fit, place / 100] for place, fit in enumerate(fits)])
    frames = VideoVectors(tuple(float(n) for n in range(len(fits))), vectors, (0.0, float(len(fits))))
    return MomentQuery(
        source=probe(DEMO),
        frames=frames,
        caption="a dog",
        retriever=OneWord(),
        options=FindOptions(top=10, refine=False, **options),  # type: ignore[arg-type]
        decoding=DecodingOptions(),
        events=events,
        watch=Stopwatch(),
    )


FITS = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0]


def spans(name: str, asked: MomentQuery) -> list[tuple[float, float]]:
    return [moment.span_s for moment in MOMENT_ARMS[name].find(asked).moments]


def test_each_arm_has_its_borders() -> None:
    asked = query(FITS)
    assert spans("find", asked) == [(1.5, 4.5), (8.5, 9.5)]
    assert spans("frame", asked) == [(0.0, 4.0)], "the first of the best frames, at 2 s"
    assert spans("events", asked) == [(1.5, 4.5), (8.5, 9.5)], "each frame is an event of its own"
    assert spans("windows", asked) == [(0.0, 12.0)], "windows of four seconds, each with a frame that fits"
    few = query([0.0] * 4 + [1.0] * 4 + [0.0] * 4, events=3)
    assert spans("windows", few) == [(4.0, 8.0)]
    assert len(spans("events", few)) == 1


@pytest.mark.parametrize("name", MOMENT_ARMS)
def test_nothing_is_found_below_the_threshold(name: str) -> None:
    assert MOMENT_ARMS[name].find(query([0.2] * 12)).moments == ()
    assert MOMENT_ARMS[name].find(query([0.52] * 12)).moments
    assert MOMENT_ARMS[name].find(query([0.52] * 12, threshold=0.9)).moments == ()


@pytest.mark.parametrize("name", MOMENT_ARMS)
def test_moments_are_ranked_and_no_more_than_asked_for(name: str) -> None:
    many = query([{1: 0.6, 9: 0.9, 17: 0.7}.get(second, 0.0) for second in range(20)])
    found = MOMENT_ARMS[name].find(many).moments
    scores = [moment.score for moment in found]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == (1 if name == "frame" else 3)
    one = MOMENT_ARMS[name].find(replace(many, options=FindOptions(top=1, refine=False))).moments
    assert one == found[:1]
    assert isinstance(one[0], RankedSpan)


def test_events_reach_half_way_to_the_next_one() -> None:
    frames = VideoVectors((0.0, 1.0, 2.0), torch.zeros(3, 2), (0.0, 3.0))
    assert list(stretches_of([0, 0, 1], frames)) == [(0.0, 1.5), (1.5, 3.0)]
    assert list(stretches_of([0, 1, 0], frames)) == [(0.0, 0.5), (0.5, 1.5), (1.5, 3.0)]
