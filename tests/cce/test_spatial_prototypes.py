"""S-DPC against one frame at a time, in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from dynfocus_cli.cce.spatial_prototypes import spatial_prototypes


def slow_level(points: Tensor, count: int, neighbours: int) -> Tensor:
    """Density peaks over one frame's points (n, D), and the mean of each cluster."""
    n = len(points)
    d = [[float((a.double() - b.double()).square().mean()) for b in points] for a in points]
    rho = []
    for i in range(n):
        near = sorted(d[i][j] for j in range(n) if j != i)[:neighbours]
        rho.append(math.exp(-sum(near) / len(near)) if near else 1.0)
    order = sorted(range(n), key=lambda i: (-rho[i], i))
    delta = [min((d[i][j] for j in order[: order.index(i)]), default=max(d[i])) for i in range(n)]
    centres = sorted(sorted(range(n), key=lambda i: (-rho[i] * delta[i], i))[:count])
    members: list[list[int]] = [[] for _ in centres]
    for i in range(n):
        near = [d[i][c] for c in centres]
        members[centres.index(i) if i in centres else near.index(min(near))].append(i)
    return torch.stack([points[m].float().mean(0) for m in members])


def slow_prototypes(patches: Tensor, counts: tuple[int, ...], neighbours: tuple[int, ...]) -> Tensor:
    frames = []
    for points in patches:
        levels = []
        for count, nearest in zip(counts, neighbours, strict=True):
            points = slow_level(points, count, nearest)
            levels.append(points)
        frames.append(torch.cat(levels))
    return torch.stack(frames)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize(
    ("frames", "patches", "counts", "neighbours"),
    [
        (3, 64, (16, 6), (8, 3)),
        (5, 16, (16, 6), (8, 3)),
        (2, 9, (4,), (2,)),
        (2, 9, (4, 2, 1), (2, 9, 1)),
        (1, 1, (1,), (8,)),
        (2, 2, (2, 1), (8, 3)),
    ],
)
def test_equals_the_loop(
    frames: int, patches: int, counts: tuple[int, ...], neighbours: tuple[int, ...], offset: float
) -> None:
    x = torch.randn(frames, patches, 12) + offset
    found = spatial_prototypes(x, counts, neighbours).tokens
    assert found.shape == (frames, sum(counts), 12)
    assert_close(found, slow_prototypes(x, counts, neighbours), rtol=1e-5, atol=1e-5)


def test_bfloat16_patches_are_clustered_as_they_are() -> None:
    x = torch.randn(2, 25, 12).bfloat16()
    found = spatial_prototypes(x, (8,), (4,)).tokens
    assert found.dtype == torch.bfloat16
    assert_close(found, slow_prototypes(x, (8,), (4,)).bfloat16())


def test_a_constant_frame_is_its_one_value() -> None:
    x = torch.randn(2, 1, 8).expand(2, 64, 8)
    assert_close(spatial_prototypes(x).tokens, x[:, :22])


def test_repeated_patches_share_a_prototype() -> None:
    kinds = torch.randn(4, 8)
    x = kinds[torch.randint(4, (1, 36))]
    found = spatial_prototypes(x, (4,), (3,)).tokens
    assert_close(found[0].sort(dim=0).values, kinds.sort(dim=0).values)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_frames_do_not_see_their_chunk(chunk: int) -> None:
    x = torch.randn(7, 36, 10)
    found = spatial_prototypes(x, chunk=chunk).tokens
    assert_close(found, spatial_prototypes(x, chunk=7).tokens, rtol=1e-6, atol=1e-6)


def test_fine_prototypes_keep_the_patches_when_they_are_as_many() -> None:
    x = torch.randn(3, 16, 5)
    assert_close(spatial_prototypes(x).tokens[:, :16], x)


def test_two_runs_agree_and_gradients_pass_through_the_means() -> None:
    x = torch.randn(2, 49, 6, requires_grad=True)
    found = spatial_prototypes(x).tokens
    assert torch.equal(found, spatial_prototypes(x).tokens)
    found.sum().backward()
    assert x.grad is not None
    assert (x.grad > 0).all()


def test_no_frames() -> None:
    assert spatial_prototypes(torch.zeros(0, 64, 5)).tokens.shape == (0, 22, 5)


@pytest.mark.parametrize(
    ("patches", "counts", "neighbours", "chunk", "message"),
    [
        (15, (16, 6), (8, 3), 16, "15 patches"),
        (64, (6, 16), (8, 3), 16, "more prototypes than its points"),
        (64, (16, 6), (8,), 16, "each level"),
        (64, (), (), 16, "each level"),
        (64, (16, 6), (8, 3), 0, "at least 1 frame a step"),
    ],
)
def test_refusals(
    patches: int, counts: tuple[int, ...], neighbours: tuple[int, ...], chunk: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spatial_prototypes(torch.zeros(2, patches, 3), counts, neighbours, chunk=chunk)
