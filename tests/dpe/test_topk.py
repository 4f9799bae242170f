"""Hard and perturbed top-k: loops, the release's recordings, and finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise, perturbed_indicators, perturbed_topk


def slow_topk(scores: list[float], k: int) -> list[int]:
    return sorted(sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k])


def slow_indicators(scores: Tensor, noise: Tensor, k: int, sigma: float) -> Tensor:
    result = torch.zeros(scores.shape[0], k, scores.shape[1], dtype=torch.float64)
    for b in range(noise.shape[0]):
        for n in range(noise.shape[1]):
            chosen = slow_topk((scores[b] + sigma * noise[b, n]).tolist(), k)
            for slot, index in enumerate(chosen):
                result[b, slot, index] += 1 / noise.shape[1]
    return result.float()


class TestMinmax:
    def test_equals_the_formula(self) -> None:
        scores = torch.randn(3, 7)
        expected = torch.stack([(row - row.min()) / (row.max() - row.min() + 1e-5) for row in scores])
        assert_close(minmax_normalise(scores), expected)

    @pytest.mark.parametrize("scores", [torch.full((2, 5), 3.25), torch.tensor([[7.0]])])
    def test_constant_scores_have_a_tame_gradient(self, scores: Tensor) -> None:
        scores = scores.clone().requires_grad_()
        result = minmax_normalise(scores)
        assert (result == 0).all()
        (result * torch.randn_like(result)).sum().backward()
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
        assert scores.grad.abs().max() < 10


class TestHardTopk:
    @given(data=st.data())
    @settings(max_examples=60, deadline=None, derandomize=True)
    def test_equals_sorting_in_python(self, data: st.DataObject) -> None:
        values = st.floats(-2, 2, width=16) | st.sampled_from([0.0, 1.0])
        scores = data.draw(st.lists(values, min_size=1, max_size=20))
        k = data.draw(st.integers(1, len(scores)))
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.tensor(scores, dtype=dtype)
            assert hard_topk(x, k).tolist() == slow_topk(x.tolist(), k)

    def test_ties_and_leading_dimensions(self) -> None:
        scores = torch.tensor([[[1.0, 1.0, 1.0, 1.0]], [[0.0, 2.0, 1.0, 2.0]]])
        assert hard_topk(scores, 3).tolist() == [[[0, 1, 2]], [[1, 2, 3]]]
        assert hard_topk(torch.zeros(1000), 10).tolist() == list(range(10))

    @pytest.mark.parametrize("k", [0, 5, -1])
    def test_k_out_of_range_is_refused(self, k: int) -> None:
        with pytest.raises(ValueError, match="top-k needs k between"):
            hard_topk(torch.zeros(4), k)


class TestPerturbedForward:
    @pytest.mark.parametrize("sigma", [0.0, 0.05, 1.0])
    @pytest.mark.parametrize("k", [1, 3, 7])
    def test_equals_the_loop(self, k: int, sigma: float) -> None:
        scores, noise = torch.rand(3, 7), torch.randn(3, 20, 7)
        scores[2] = 0.5
        assert_close(perturbed_indicators(scores, noise, k, sigma), slow_indicators(scores, noise, k, sigma))

    def test_without_noise_it_is_the_hard_choice(self) -> None:
        scores = torch.rand(2, 9)
        found = perturbed_topk(scores, 4, sigma=0.0, samples=3, generator=None)
        assert torch.equal(found.argmax(-1), hard_topk(scores, 4))
        assert torch.equal(found.sum(-1), torch.ones(2, 4))

    def test_the_generator_alone_decides(self) -> None:
        scores = torch.rand(2, 9)

        def draw(seed: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            return perturbed_topk(scores, 3, sigma=0.1, samples=50, generator=generator)

        state = torch.get_rng_state()
        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))
        assert torch.equal(torch.get_rng_state(), state)

    def test_bfloat16_scores_are_perturbed_in_float32(self) -> None:
        scores = torch.rand(1, 6).bfloat16().requires_grad_()
        found = perturbed_topk(scores, 2, sigma=1e-4, samples=400, generator=None)
        assert found.dtype == torch.float32
        found[..., 0].sum().backward()
        assert scores.grad is not None
        assert scores.grad.dtype == torch.bfloat16

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match=r"\(B, S, L\)"):
            perturbed_indicators(torch.zeros(2, 4), torch.zeros(3, 5, 4), 2, 0.1)
        with pytest.raises(ValueError, match="cannot be negative"):
            perturbed_indicators(torch.zeros(2, 4), torch.zeros(2, 5, 4), 2, -0.1)
        with pytest.raises(ValueError, match="at least 1 sample"):
            perturbed_topk(torch.zeros(2, 4), 2, sigma=0.1, samples=0, generator=None)


class TestPerturbedGradient:
    @pytest.mark.parametrize("jacobian", ["full", "diagonal"])
    def test_equals_the_loop(self, jacobian: str) -> None:
        scores, noise, k, sigma = torch.rand(2, 5, requires_grad=True), torch.randn(2, 12, 5), 2, 0.3
        slope = torch.randn(2, k, 5)
        perturbed_indicators(scores, noise, k, sigma, jacobian).backward(slope)  # type: ignore[arg-type]
        expected = torch.zeros(2, 5)
        for b in range(2):
            chosen = [slow_topk((scores[b].detach() + sigma * z).tolist(), k) for z in noise[b]]
            values = [sum(float(slope[b, j, d]) for j, d in enumerate(c)) for c in chosen]
            for n, z in enumerate(noise[b]):
                if jacobian == "full":
                    expected[b] += (values[n] - sum(values) / 12) * z / (11 * sigma)
                else:
                    for j, d in enumerate(chosen[n]):
                        expected[b, d] += slope[b, j, d] * z[d] / (12 * sigma)
        assert_close(scores.grad, expected)

    def test_full_is_the_slope_of_the_expectation(self) -> None:
        """Finite differences of the indicators with common noise; 'diagonal' agrees on its own terms only."""
        k, sigma, step = 2, 0.2, 0.05
        base = torch.tensor([[0.5, 0.3, 0.45, 0.1]])
        noise = torch.randn(1, 400_000, 4, generator=torch.Generator().manual_seed(3))

        def expectation(scores: Tensor) -> Tensor:
            return perturbed_indicators(scores, noise, k, sigma)[0]  # (k, L)

        moved = [step * torch.eye(4)[i] for i in range(4)]
        slopes = torch.stack(
            [(expectation(base + m) - expectation(base - m)) / (2 * step) for m in moved], -1
        )
        for slot in range(k):
            for index in range(4):
                scores = base.clone().requires_grad_()
                perturbed_indicators(scores, noise, k, sigma)[0, slot, index].backward()
                assert_close(scores.grad[0], slopes[slot, index], atol=0.05, rtol=0.0)  # type: ignore[index]
                scores = base.clone().requires_grad_()
                perturbed_indicators(scores, noise, k, sigma, "diagonal")[0, slot, index].backward()
                own = torch.where(torch.arange(4) == index, slopes[slot, index], 0.0)
                assert_close(scores.grad[0], own, atol=0.05, rtol=0.0)  # type: ignore[index]
        assert slopes.abs().max() > 1  # the tolerance says something

    def test_full_does_not_move_scores_that_cannot_matter(self) -> None:
        """The sum of all indicators is k whatever the scores: its gradient is 0, in each sample."""
        scores = torch.rand(2, 6, requires_grad=True)
        perturbed_topk(scores, 3, sigma=0.2, samples=10, generator=None).sum().backward()
        assert_close(scores.grad, torch.zeros(2, 6))

    def test_a_single_sample_has_a_finite_gradient(self) -> None:
        scores = torch.rand(2, 6, requires_grad=True)
        perturbed_topk(scores, 3, sigma=0.2, samples=1, generator=None)[..., 0].sum().backward()
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
