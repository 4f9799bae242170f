"""Time codes that count frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.report.frame_codes import FrameCodes


@pytest.mark.parametrize(
    ("fps", "unit", "group"),
    [
        (25, 25, 1),
        (29.97, 30, 1),
        (59.94, 60, 1),
        (90, 45, 2),
        (75, 25, 3),
        (23.4, 23, 1),
        (61, 60, 1),
        (61.3, 60, 1),
        (1 / 3600, 1, 1),
        (12, 12, 1),
    ],
)
def test_labels_of_a_second(fps, unit, group):
    codes = FrameCodes.of(fps)
    assert (codes.unit, codes.group) == (unit, group)


@pytest.mark.parametrize(
    ("number", "label"),
    [(1799, "00:00:59;29"), (1800, "00:01:00;02"), (17981, "00:09:59;29"), (17982, "00:10:00;00")],
)
def test_dropped_labels(number, label):
    assert FrameCodes.of(29.97, "00:00:00;00").label(number) == label


@given(
    st.integers(0, 12 * 6 * 17982 - 1), st.sampled_from([(29.97, ";"), (59.94, ";"), (30, ":"), (24, ":")])
)
def test_a_label_says_its_number(number, kind):
    fps, mark = kind
    codes = FrameCodes.of(fps, f"00:00:00{mark}00")
    assert FrameCodes.of(fps, codes.label(number)).start == number


@pytest.mark.parametrize("first", ["", "nonsense", "01:00:00:25", "25:00:00:00", "00:61:00:00", "1:00:00:00"])
def test_what_is_no_label_counts_as_zero(first):
    assert FrameCodes.of(25.0, first).start == 0
