"""From a curve to spans."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.moments.moment import Curve
from dynfocus_cli.moments.spans import ScoredSpan, may_be_as_long, merged, overlap, ranked, spans


def curve(*scores: float, step_s: float = 1.0) -> Curve:
    return Curve(tuple(index * step_s for index in range(len(scores))), scores)


def borders(found: list[ScoredSpan]) -> list[tuple[float, float]]:
    return [(span.start_s, span.end_s) for span in found]


def test_a_span_ends_half_way_between_frames() -> None:
    found = spans(curve(0, 0.9, 0.8, 0, 0), (0, 5), 0.5)
    assert borders(found) == [(0.5, 2.5)]
    assert (found[0].score, found[0].best_s) == (0.9, 1)
    assert found[0].start_within == (0, 1)
    assert found[0].end_within == (2, 3)
    assert found[0].tolerance_s == 0.5


def test_at_the_ends_of_the_video_a_span_has_theirs() -> None:
    found = spans(curve(0.9, 0.9, 0.9), (0, 3.2), 0.5)
    assert borders(found) == [(0, 3.2)]
    assert found[0].tolerance_s == 0


def test_a_brief_event_of_one_frame_is_a_span() -> None:
    assert borders(spans(curve(0, 0, 1, 0), (0, 4), 0.5)) == [(1.5, 2.5)]


def test_nothing_reaches_the_threshold() -> None:
    assert spans(curve(0.1, 0.49), (0, 2), 0.5) == []
    assert spans(Curve((), ()), (0, 0), 0.5) == []


def test_what_is_too_short_is_left_out() -> None:
    scores = curve(0, 1, 0, 1, 1, 0)
    assert borders(spans(scores, (0, 6), 0.5, min_length_s=1.5)) == [(2.5, 4.5)]
    assert len(spans(scores, (0, 6), 0.5, min_length_s=1.0)) == 2


def test_a_span_may_turn_out_to_be_longer_than_it_seems() -> None:
    found = ranked(spans(curve(0, 0.9, 0, 0.8, 0.8, 0.8, 0), (0, 7), 0.5))
    assert [(span.length_s, span.longest_s) for span in found] == [(1, 2), (3, 4)]
    assert [span.score for span in may_be_as_long(found, 2.0)] == [0.9, 0.8]
    assert [span.score for span in may_be_as_long(found, 4.0)] == [0.8]
    assert may_be_as_long(found, 4.1) == []


def test_frames_far_below_the_best_are_no_part_of_its_span() -> None:
    assert borders(spans(curve(0.3, 0.9, 0.4, 0.8), (0, 4), 0.2)) == [(0.5, 1.5), (2.5, 4)]
    assert borders(spans(curve(0.3, 0.9, 0.4, 0.8), (0, 4), 0.2, peak_share=0)) == [(0, 4)]


def test_the_best_come_first_and_of_equals_the_earlier() -> None:
    found = spans(curve(0.7, 0, 0.9, 0, 0.7), (0, 5), 0.5)
    assert [span.best_s for span in ranked(found)] == [2, 0, 4]


def test_spans_that_overlap_or_touch_become_one() -> None:
    found = spans(curve(0.7, 0, 0.9, 0, 0.8), (0, 5), 0.5)
    one, two, three = found
    assert borders(merged([two, one])) == [(0, 0.5), (1.5, 2.5)]
    touching = ScoredSpan(2.5, 3.5, 0.95, 3, 0.5, (2, 3), (3, 4))
    together = merged([touching, three, two, one])
    assert borders(together) == [(0, 0.5), (1.5, 5)]
    assert (together[1].score, together[1].best_s) == (0.95, 3)


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [((0, 4), (2, 6), 1 / 3), ((0, 1), (1, 2), 0), ((0, 2), (0, 2), 1), ((0, 4), (1, 2), 0.25)],
)
def test_overlap(one: tuple[float, float], other: tuple[float, float], share: float) -> None:
    assert overlap(one, other) == pytest.approx(share)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.floats(0.01, 1),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_frame_that_is_high_enough_for_its_own_peak_is_in_a_span(
    scores: list[float], threshold: float, peak_share: float
) -> None:
    """Against the definition, frame by frame."""
    found = spans(curve(*scores), (0, len(scores)), threshold, peak_share=peak_share)
    for index, score in enumerate(scores):
        first = last = index
        while first > 0 and scores[first - 1] >= threshold:
            first -= 1
        while last + 1 < len(scores) and scores[last + 1] >= threshold:
            last += 1
        expected = score >= threshold and score >= peak_share * max(scores[first : last + 1])
        assert any(span.start_s <= index < span.end_s for span in found) == expected
    assert all(one.end_s < other.start_s for one, other in pairwise(found))
