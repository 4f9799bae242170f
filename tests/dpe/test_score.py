"""The score network: shapes, context, the question, the release's recordings, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise, perturbed_topk


def test_equals_the_loop() -> None:
    network = ScoreNetwork(6, hidden=16)
    prototypes = torch.randn(5, 4, 6)
    hidden = []
    for prototype in prototypes:
        pair = torch.cat([torch.stack(list(prototype)).max(0).values, sum(prototype) / 4])
        hidden.append(nn.functional.gelu(network.input(network.norm(pair))))
    shared = sum(h[8:] for h in hidden) / 5
    expected = torch.stack([network.head(torch.cat([h[:8], shared]))[0] for h in hidden])
    assert_close(network(prototypes), expected)


@pytest.mark.parametrize("events", [1, 2, 9])
def test_a_batch_is_its_videos(events: int) -> None:
    network = ScoreNetwork(8, hidden=12, question_width=5)
    shake(network)
    prototypes, questions = torch.randn(3, events, 16, 8), torch.randn(3, 5)
    batched = network(prototypes, questions)
    assert batched.shape == (3, events)
    one_by_one = [network(p, q) for p, q in zip(prototypes, questions, strict=True)]
    assert_close(batched, torch.stack(one_by_one))


def test_release_shape_by_default() -> None:
    shapes = [tuple(p.shape) for name, p in ScoreNetwork(16).named_parameters() if name.endswith("weight")]
    assert shapes == [(32,), (32, 32), (16, 32), (8, 16), (1, 8)]


def test_permuted_events_have_permuted_scores_and_see_each_other() -> None:
    network = ScoreNetwork(8)
    prototypes, order = torch.randn(7, 16, 8), torch.randperm(7)
    scores = network(prototypes)
    assert_close(network(prototypes[order]), scores[order])
    changed = prototypes.clone()
    changed[6] = 3 * torch.randn(16, 8)
    assert not torch.allclose(network(changed)[:6], scores[:6])


def shake(network: ScoreNetwork) -> None:
    """Move the question's weights off their zero start."""
    assert network.question_film is not None
    nn.init.normal_(network.question_film.weight)


class TestQuestion:
    def test_changes_nothing_at_the_start(self) -> None:
        network, prototypes = ScoreNetwork(8, question_width=5), torch.randn(6, 4, 8)
        assert torch.equal(network(prototypes, torch.randn(5)), network(prototypes))

    def test_changes_the_scores_once_trained(self) -> None:
        network, prototypes = ScoreNetwork(8, question_width=5), torch.randn(6, 4, 8)
        shake(network)
        question = torch.randn(5)
        first, second = network(prototypes, question), network(prototypes, torch.randn(5))
        assert not torch.allclose(first - first.mean(), second - second.mean(), atol=1e-4)
        assert_close(network(prototypes, 100 * question), first, atol=1e-3, rtol=1e-3)

    def test_is_refused_by_a_visual_network(self) -> None:
        with pytest.raises(ValueError, match="question_width"):
            ScoreNetwork(8)(torch.randn(6, 4, 8), torch.randn(5))

    def test_matching_is_learnt(self) -> None:
        """Which event shows what is asked for: 8 things, their look and their word unrelated."""
        generator = torch.Generator().manual_seed(0)
        looks, words = torch.randn(8, 16, generator=generator), torch.randn(8, 12, generator=generator)
        network = ScoreNetwork(16, hidden=32, question_width=12)
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        hits = 0.0
        for step in range(120):
            shown = torch.stack([torch.randperm(8, generator=generator) for _ in range(32)])  # (B, L)
            asked = torch.randint(8, (32,), generator=generator)
            prototypes = looks[shown].unsqueeze(2) + 0.3 * torch.randn(32, 8, 4, 16, generator=generator)
            scores = minmax_normalise(network(prototypes, words[asked]))
            chosen = perturbed_topk(scores, 2, sigma=0.3, samples=64, generator=generator)
            found = (chosen.sum(1) * (shown == asked.unsqueeze(1))).sum(1)  # (B,)
            loss = -(found + 1e-2).log().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step >= 100:
                hard = hard_topk(scores.detach(), 2)
                hits += (shown.gather(1, hard) == asked.unsqueeze(1)).any(1).float().mean().item() / 20
        assert hits > 0.95  # by chance 0.25


@pytest.mark.parametrize("jacobian", ["full", "diagonal"])
def test_gradients_reach_every_weight_through_the_choice(jacobian: str) -> None:
    network = ScoreNetwork(8, hidden=16, question_width=5)
    shake(network)
    prototypes = torch.randn(2, 10, 16, 8)
    scores = minmax_normalise(network(prototypes, torch.randn(2, 5)))
    indicators = perturbed_topk(scores, 4, sigma=0.1, samples=200, generator=None, jacobian=jacobian)  # type: ignore[arg-type]
    torch.einsum("bkl,blpd->bkpd", indicators, prototypes).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if name != "head.4.bias":  # min-max takes a common offset away
            assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_degenerate_prototypes_have_finite_scores_and_gradients(dtype: torch.dtype) -> None:
    network = ScoreNetwork(8, hidden=16).to(dtype)
    for prototypes in (torch.zeros(5, 16, 8), torch.ones(1, 16, 8), torch.randn(2, 16, 8) + 1000):
        network.zero_grad()
        scores = minmax_normalise(network(prototypes.to(dtype))).unsqueeze(0)
        perturbed_topk(scores, 1, sigma=0.1, samples=20, generator=None).square().sum().backward()
        assert scores.isfinite().all()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("hidden", [0, 2, 6])
def test_a_hidden_width_that_cannot_be_quartered_is_refused(hidden: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        ScoreNetwork(8, hidden)
