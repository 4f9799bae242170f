"""Pooling and event means against loops."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dynfocus_cli.dpe.event_prototypes import event_prototypes, pool_grid


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("grid", "side"), [(4, 4), (8, 4), (16, 4), (6, 2), (3, 1)])
def test_pool_grid_equals_the_loop(grid: int, side: int, dtype: torch.dtype) -> None:
    patches = torch.randn(3, grid * grid, 5).to(dtype)
    found = pool_grid(patches, side)
    assert found.shape == (3, side * side, 5)
    assert found.dtype == dtype
    block = grid // side
    for t in range(3):
        for row in range(side):
            for column in range(side):
                inside = [
                    patches[t, y * grid + x].float()
                    for y in range(row * block, (row + 1) * block)
                    for x in range(column * block, (column + 1) * block)
                ]
                expected = torch.stack(inside).mean(0).to(dtype)
                assert_close(found[t, row * side + column], expected)


@pytest.mark.parametrize(("count", "side"), [(15, 4), (0, 4), (9, 4), (196, 4), (16, 0), (4, 4)])
def test_a_grid_that_does_not_fit_is_refused(count: int, side: int) -> None:
    with pytest.raises(ValueError, match=r"square grid|pooled evenly"):
        pool_grid(torch.zeros(2, count, 3), side)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_event_prototypes_equal_the_loop(dtype: torch.dtype) -> None:
    pooled = torch.randn(11, 4, 6).to(dtype)
    assignment = torch.tensor([0, 0, 1, 2, 2, 2, 0, 3, 1, 1, 1])
    found = event_prototypes(pooled, assignment, 4)
    assert found.dtype == dtype
    for event in range(4):
        frames = [pooled[t].float() for t in range(11) if assignment[t] == event]
        assert_close(found[event], torch.stack(frames).mean(0).to(dtype))


def test_a_batch_is_each_video_alone() -> None:
    pooled, assignment = torch.randn(2, 3, 7, 4, 5), torch.randint(0, 3, (2, 3, 7))
    found = event_prototypes(pooled, assignment, 3)
    assert found.shape == (2, 3, 3, 4, 5)
    for i in range(2):
        for j in range(3):
            assert_close(found[i, j], event_prototypes(pooled[i, j], assignment[i, j], 3))


def test_one_frame_an_event_is_the_frames() -> None:
    pooled = torch.randn(5, 16, 3)
    assert_close(event_prototypes(pooled, torch.arange(5), 5), pooled)


def test_gradient_is_one_over_the_number_of_frames() -> None:
    pooled = torch.randn(4, 2, 3, requires_grad=True)
    event_prototypes(pooled, torch.tensor([0, 1, 1, 1]), 2).sum().backward()
    expected = torch.tensor([1.0, 1 / 3, 1 / 3, 1 / 3]).view(4, 1, 1).expand(4, 2, 3)
    assert_close(pooled.grad, expected)
