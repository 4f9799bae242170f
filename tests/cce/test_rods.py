"""The rods against the plain formula and the release's recording."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from dynfocus_cli.cce.rods import Rods


@pytest.mark.parametrize(
    ("frames", "queries", "prototypes"), [(4, 32, 22), (1, 1, 1), (2, 3, 1), (3, 4, 22), (0, 4, 22)]
)
def test_equals_the_plain_form(frames: int, queries: int, prototypes: int) -> None:
    rods = Rods(6, 10)
    q, g = torch.randn(frames, queries, 6), torch.randn(frames, prototypes, 10)
    context, content = rods(q, g)
    assert context.shape == content.shape == (frames, 1, 10)
    for t in range(frames):
        attended = torch.zeros(10)
        for query in rods.query(q[t]):
            logits = torch.stack([query @ rods.key(point) / 10**0.5 for point in g[t]])
            weights = logits.exp() / logits.exp().sum()
            attended += sum(w * point for w, point in zip(weights, g[t], strict=True)) / queries
        assert_close(context[t, 0], attended)
        assert_close(content[t, 0], sum(g[t]) / prototypes)


def test_average_of_the_attention_is_the_average_of_its_result() -> None:
    rods = Rods(6, 10).double()
    q, g = torch.randn(5, 32, 6).double(), torch.randn(5, 22, 10).double()
    plain = (rods.attention(q, g).double() @ g).mean(1)
    assert_close(rods(q, g)[0][:, 0], plain, atol=1e-6, rtol=1e-6)


def test_constant_prototypes_are_what_every_rod_says() -> None:
    point = torch.randn(3, 1, 8)
    for rod in Rods(4, 8)(torch.randn(3, 5, 4), point.expand(3, 22, 8)):
        assert_close(rod, point)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_in_dtype_for_large_logits(dtype: torch.dtype) -> None:
    rods = Rods(4, 8).to(dtype)
    found = rods((100 * torch.randn(3, 5, 4)).to(dtype), (100 * torch.randn(3, 22, 8)).to(dtype))
    for rod in found:
        assert rod.dtype == dtype
        assert rod.isfinite().all()


def test_gradients_reach_both_projections() -> None:
    rods = Rods(4, 8)
    context, _ = rods(torch.randn(3, 5, 4), torch.randn(3, 22, 8))
    context.square().sum().backward()
    for name, parameter in rods.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
