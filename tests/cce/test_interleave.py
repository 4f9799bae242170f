"""The order of the video tokens against a list that grows frame by frame."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from dynfocus_cli.cce.interleave import interleave, other_frames, token_counts


@given(data=st.data())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_equals_the_loop(data: st.DataObject) -> None:
    frames = data.draw(st.integers(1, 8))
    keys = sorted(data.draw(st.sets(st.integers(0, frames - 1))))
    per_frame, per_key = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 5))
    on_key_frames = data.draw(st.booleans())
    with_rods = [t for t in range(frames) if on_key_frames or t not in keys]
    # Each token says what it is: (kind, frame, place).
    rods = torch.tensor([[[0, t, r] for r in range(per_frame)] for t in with_rods])
    cones = torch.tensor([[[1, t, c] for c in range(per_key)] for t in keys])
    rods, cones = rods.reshape(len(with_rods), per_frame, 3), cones.reshape(len(keys), per_key, 3)
    key_frames = torch.tensor(keys, dtype=torch.int64)

    expected: list[list[int]] = []
    for t in range(frames):
        if t in keys:
            expected += [[1, t, c] for c in range(per_key)]
        if t in with_rods:
            expected += [[0, t, r] for r in range(per_frame)]
    tokens, frame_of_token = interleave(rods, cones, key_frames, on_key_frames)
    assert tokens.tolist() == expected
    assert frame_of_token.tolist() == [t for _, t, _ in expected]
    counts = token_counts(frames, key_frames, per_key, per_frame, on_key_frames)
    assert counts.tolist() == [sum(t == frame for _, frame, _ in expected) for t in range(frames)]


def test_the_example_of_the_docstring() -> None:
    rods = torch.tensor([0, 1, 2]).reshape(3, 1, 1)
    cones = torch.tensor([10, 11]).reshape(1, 2, 1)
    tokens, frames = interleave(rods, cones, torch.tensor([1]))
    assert tokens.flatten().tolist() == [0, 10, 11, 1, 2]
    assert frames.tolist() == [0, 1, 1, 1, 2]


def test_other_frames() -> None:
    assert other_frames(4, torch.tensor([1])).tolist() == [0, 2, 3]
    assert other_frames(5, torch.tensor([[0, 4], [1, 2]])).tolist() == [[1, 2, 3], [0, 3, 4]]
    assert other_frames(2, torch.tensor([0, 1])).tolist() == []


def test_the_paper_s_count() -> None:
    key_frames = torch.tensor([0, 3, 4, 11])
    tokens, frames = interleave(torch.randn(12, 2, 5), torch.randn(4, 38, 5), key_frames)
    assert len(tokens) == len(frames) == 40 * 4 + 2 * (12 - 4)
    assert torch.equal(frames.bincount(), token_counts(12, key_frames))
    assert token_counts(4, torch.tensor([1])).tolist() == [2, 40, 2, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_return_to_their_tokens(dtype: torch.dtype) -> None:
    rods = torch.randn(5, 2, 3, dtype=dtype, requires_grad=True)
    cones = torch.randn(2, 4, 3, dtype=dtype, requires_grad=True)
    tokens, frames = interleave(rods, cones, torch.tensor([1, 4]))
    assert tokens.dtype == dtype
    (tokens * frames.unsqueeze(1)).sum().backward()
    assert rods.grad is not None
    assert cones.grad is not None
    assert_close(rods.grad, torch.arange(5).to(dtype).view(5, 1, 1).expand(5, 2, 3))
    assert_close(cones.grad, torch.tensor([1, 4]).to(dtype).view(2, 1, 1).expand(2, 4, 3))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="must fit"):
        interleave(torch.zeros(3, 2, 4), torch.zeros(1, 38, 5), torch.tensor([1]))
    with pytest.raises(ValueError, match="must fit"):
        interleave(torch.zeros(3, 2, 4), torch.zeros(2, 38, 4), torch.tensor([1]))
    with pytest.raises(IndexError):
        interleave(torch.zeros(3, 2, 4), torch.zeros(1, 38, 4), torch.tensor([3]))
