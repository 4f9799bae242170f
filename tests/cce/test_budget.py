"""Token budgets: nothing exceeds its limit, and key frames give way before frames do."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dynfocus_cli.cce.budget import FramePrice, allow, most_frames
from dynfocus_cli.errors import UsageError

limits = st.integers(-100, 5000)
prices = st.builds(
    lambda other, more: FramePrice(other + more, other), st.integers(1, 6), st.integers(1, 100)
)
PAPER = FramePrice(key=40, other=2)


@given(limit=limits, price=prices)
def test_most_frames_is_the_most(limit: int, price: FramePrice) -> None:
    if limit < price.key:
        with pytest.raises(UsageError, match=f"`budget={price.key}` or more"):
            most_frames(limit, price)
        return
    frames = most_frames(limit, price)
    assert frames >= 1
    assert price.total(frames, 1) <= limit < price.total(frames + 1, 1)


@given(
    frames=st.integers(1, 500),
    prototypes=st.integers(1, 200),
    key_ratio=st.floats(1e-6, 1.0),
    limit=limits,
    price=prices,
)
def test_an_allowance_fits(
    frames: int, prototypes: int, key_ratio: float, limit: int, price: FramePrice
) -> None:
    fits = price.total(frames, 1) <= limit
    if not fits:
        with pytest.raises(UsageError):
            allow(frames, prototypes=prototypes, key_ratio=key_ratio, limit=limit, price=price)
        return
    found = allow(frames, prototypes=prototypes, key_ratio=key_ratio, limit=limit, price=price)
    assert 1 <= found.key_frames <= found.events <= frames
    assert found.events == min(prototypes, frames)
    assert price.total(frames, found.key_frames) <= limit
    # As many as asked for, or as fit.
    wanted = max(1, int(key_ratio * found.events + 0.5))
    assert found.unlimited == wanted
    assert found.key_frames == wanted or (
        found.key_frames < wanted and price.total(frames, found.key_frames + 1) > limit
    )


@given(frames=st.integers(1, 60), limit=st.integers(40, 3000), more=st.integers(0, 500))
def test_a_larger_limit_allows_no_less(frames: int, limit: int, more: int) -> None:
    assume(frames <= most_frames(limit, PAPER))
    small, large = (
        allow(frames, prototypes=25, key_ratio=0.8, limit=most, price=PAPER) for most in (limit, limit + more)
    )
    assert small.events == large.events
    assert small.key_frames <= large.key_frames


def test_the_docstrings_example() -> None:
    def found(limit: int) -> int:
        return allow(32, prototypes=16, key_ratio=0.25, limit=limit, price=PAPER).key_frames

    assert (found(216), found(215), found(180), found(102)) == (4, 3, 3, 1)


@pytest.mark.parametrize(
    ("frames", "prototypes", "ratio", "expected"),
    [(32, 25, 0.8, (25, 20)), (200, 60, 0.4, (60, 24)), (200, 80, 0.6, (80, 48)), (16, 25, 0.8, (16, 13))],
)
def test_the_papers_settings(frames: int, prototypes: int, ratio: float, expected: tuple[int, int]) -> None:
    found = allow(frames, prototypes=prototypes, key_ratio=ratio, limit=10_000, price=PAPER)
    assert (found.events, found.key_frames) == expected


marked = st.builds(
    lambda other, more, mark, thin: FramePrice(other + more, other, max(other, thin), mark),
    st.integers(0, 3),
    st.integers(1, 100),
    st.integers(0, 20),
    st.integers(1, 2),
)


@given(
    frames=st.integers(1, 60),
    prototypes=st.integers(1, 60),
    ratio=st.floats(0.01, 1.0),
    limit=limits,
    price=marked,
)
def test_timestamps_are_counted_where_there_are_tokens(
    frames: int, prototypes: int, ratio: float, limit: int, price: FramePrice
) -> None:
    """Of each key frame, and of each run of others, where these have tokens at all."""
    try:
        most = most_frames(limit, price)
    except UsageError:
        assert price.thinnest.spent(1, 1) > limit
        return
    assert price.thinnest.spent(most if price.other else 1, 1) <= limit
    if price.other:
        assert price.thinnest.spent(most + 1, 1) > limit
    assume(frames <= most)
    found = allow(frames, prototypes=prototypes, key_ratio=ratio, limit=limit, price=price)
    runs = min(frames - found.key_frames, found.key_frames + 1) if price.other else 0
    text = price.timestamp * (found.key_frames + runs)
    assert found.price.total(frames, found.key_frames) + text <= limit
