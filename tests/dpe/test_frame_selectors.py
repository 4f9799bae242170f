"""Selectors over a curve of scores, against slow and obvious ones."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.dpe.frame_selectors import aks, even, select_frames, topk

CURVES = st.lists(st.integers(0, 20), min_size=1, max_size=40)


def best(scores: list[Fraction], places: list[int], count: int) -> list[int]:
    return sorted(sorted(places, key=lambda place: (-scores[place], place))[:count])


def slow_aks(values: list[int], count: int, threshold: Fraction, levels: int) -> list[int]:
    """As the paper's text says it, segment after segment, in exact numbers."""
    low, high = min(values), max(values)
    scores = [Fraction(value - low, max(1, high - low)) for value in values]
    waiting, chosen = [(list(range(len(values))), count, 0)], []
    while waiting:
        places, share, level = waiting.pop()
        if share == 0:
            continue
        top = best(scores, places, share)
        stands_out = (
            sum(scores[place] for place in top) / share - sum(scores[place] for place in places) / len(places)
            > threshold
        )
        if stands_out or share == 1 or level == levels:
            chosen += top
        else:
            half = len(places) // 2
            waiting += [(places[:half], share // 2, level + 1)]
            waiting += [(places[half:], share - share // 2, level + 1)]
    return sorted(chosen)


@given(CURVES, st.data())
def test_adaptive_sampling_is_that_of_the_paper(values: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    # Between the fractions that a mean of so few whole numbers can be.
    threshold, levels = data.draw(st.sampled_from((0.1003, 0.3007, 0.8001))), data.draw(st.integers(0, 6))
    chosen = aks(torch.tensor(values).float(), count, threshold=threshold, levels=levels)
    expected = slow_aks(values, count, Fraction(threshold), levels)
    assert chosen.tolist() == expected
    assert len(set(expected)) == count


def test_a_peak_that_stands_out_takes_all_frames_and_a_flat_curve_spreads_them() -> None:
    peak = torch.zeros(64)
    peak[40:44] = 1.0
    assert aks(peak, 4).tolist() == [40, 41, 42, 43]
    assert aks(torch.zeros(64), 4).tolist() == [0, 16, 32, 48]


@given(CURVES, st.data())
def test_topk_takes_the_best_and_of_equals_the_earlier(values: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    exact = [Fraction(value) for value in values]
    assert topk(torch.tensor(values).float(), count).tolist() == best(exact, list(range(len(values))), count)


@given(st.integers(1, 40), st.data())
def test_even_frames_of_even_times_stand_in_the_middle_of_their_shares(
    frames: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, frames))
    chosen = even([float(second) for second in range(frames)], count).tolist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == count
    if frames >= 2 * count:
        moments = [(frames - 1) * (2 * place + 1) / (2 * count) for place in range(count)]
        assert all(abs(frame - moment) <= 0.5 for frame, moment in zip(chosen, moments, strict=True))


def test_even_frames_go_by_time_not_by_number() -> None:
    dense = [0.0, 10.0, 10.1, 10.2, 10.3, 20.0, 30.0, 40.0]
    assert even(dense, 2).tolist() == [1, 6]


@pytest.mark.parametrize("selector", ["topk", "aks", "even"])
def test_pinned_frames_are_among_the_key_frames(selector: str) -> None:
    scores, times_s = torch.arange(10.0), [float(second) for second in range(10)]
    chosen = select_frames(selector, scores, times_s, 4, (0, 3)).tolist()  # type: ignore[arg-type]
    assert {0, 3} <= set(chosen)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 4
    assert select_frames(selector, scores, times_s, 2, (0, 3)).tolist() == [0, 3]  # type: ignore[arg-type]
