"""Choosing the best events: exactly, and in training by a perturbed choice that gradients pass through."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Jacobian = Literal["diagonal", "full"]
"""Which part of d indicators / d scores the backward pass estimates; see `perturbed_indicators`."""


def minmax_normalise(scores: Tensor, eps: float = 1e-5) -> Tensor:
    """Scores moved to 0 ... just under 1 along the last dimension; zeros where all are equal.

    Shape:
        scores: (..., L).
        returns: (..., L).
    """
    # DynFocus release, PatchNet.min_max_norm.
    lowest = scores.amin(dim=-1, keepdim=True)
    spread = scores.amax(dim=-1, keepdim=True) - lowest
    # Equal scores give zeros whatever they are divided by; 1 / eps would make their gradient 100 000 times
    # that of the next step.
    return (scores - lowest) / torch.where(spread > 0, spread + eps, 1.0)


def hard_topk(scores: Tensor, k: int) -> Tensor:
    """Indices of the k largest scores in ascending order of index; of equal scores the earlier is taken.

    Example: hard_topk([0.3, 0.9, 0.3, 0.1], k=2) -> [0, 1]

    Shape:
        scores: (..., L).
        returns: (..., k) int64.

    Raises:
        ValueError: k below 1 or above L.
    """
    if not 1 <= k <= scores.shape[-1]:
        raise ValueError(
            f"top-k needs k between 1 and the number of scores, got {k = } for {scores.shape = }"
        )
    best = scores.argsort(dim=-1, descending=True, stable=True)[..., :k]
    return best.sort(dim=-1).values


def perturbed_topk(
    scores: Tensor,
    k: int,
    *,
    sigma: float,
    samples: int,
    generator: torch.Generator | None,
    jacobian: Jacobian = "full",
) -> Tensor:
    """Expected one-hot indicators of the k selected indices when the scores carry Gaussian noise.

    Slot j of the result says where the j-th selected index, in ascending order, falls: with noise 0 it is the
    one-hot of `hard_topk(scores, k)[j]`. Noise is drawn on the generator's own device, so that a seed means
    the same on every machine.

    sigma is relative to the scores' spread: an index that no sample selects gets no gradient to come in. On
    min-max scores that have saturated, 0.1 freezes wrong choices where 0.3 and more, annealed, frees them.

    Shape:
        scores: (B, L).
        returns: (B, k, L) float32; each slot sums to 1.

    Raises:
        ValueError: `samples` below 1, or as `perturbed_indicators`.
    """
    if samples < 1:
        raise ValueError(f"perturbed top-k needs at least 1 sample, got {samples = }")
    origin = scores.device if generator is None else generator.device
    shape = (scores.shape[0], samples, scores.shape[1])
    noise = torch.randn(shape, generator=generator, device=origin).to(scores.device)  # (B, S, L)
    return perturbed_indicators(scores, noise, k, sigma, jacobian)


def perturbed_indicators(
    scores: Tensor, noise: Tensor, k: int, sigma: float, jacobian: Jacobian = "full"
) -> Tensor:
    """`perturbed_topk` for given noise.

    Y_jd says that slot j selects index d, Z is the noise: d E[Y_jd] / d s_i = E[Y_jd Z_i] / sigma (Berthet et
    al. 2020). `jacobian="full"` estimates that, with the mean over the samples as baseline, which leaves the
    expectation and lowers the variance. `jacobian="diagonal"` is what the code of Cordonnier et al. 2021 and
    the DynFocus release compute: only the terms i = d, as if raising one score never pushed another index
    out. It is less noisy, and not the gradient. sigma = 0 selects exactly, with gradient 0.

    Shape:
        scores: (B, L).
        noise: (B, S, L), standard normal.
        returns: (B, k, L) float32.

    Raises:
        ValueError: sigma below 0, k out of range, or noise of another shape.
    """
    if scores.dim() != 2 or noise.dim() != 3 or noise[:, 0].shape != scores.shape:
        raise ValueError(
            f"scores (B, L) and noise (B, S, L) are needed, got {scores.shape = } {noise.shape = }"
        )
    if sigma < 0:
        raise ValueError(f"the noise's standard deviation cannot be negative, got {sigma = }")
    result: Tensor = _PerturbedTopK.apply(scores.float(), noise.float(), k, sigma, jacobian == "full")
    return result


class _PerturbedTopK(torch.autograd.Function):
    """The indicators, and their score-function gradient."""

    # Cordonnier et al. 2021, "Differentiable patch selection for image recognition", appendix; indices and
    # counts in place of its (B, S, k, L) one-hot tensor.
    @staticmethod
    def forward(ctx: Any, scores: Tensor, noise: Tensor, k: int, sigma: float, full: bool) -> Tensor:
        indices = hard_topk(scores.unsqueeze(1) + sigma * noise, k)  # (B, S, k)
        ctx.save_for_backward(indices, noise)
        ctx.sigma, ctx.full = sigma, full
        batch, samples, width = noise.shape
        hits = noise.new_ones(()).expand(batch, k, samples)
        counts = noise.new_zeros(batch, k, width).scatter_add_(2, indices.transpose(1, 2), hits)
        return counts / samples  # whole numbers were added: exact in any order

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (grad_output,) = grad_outputs  # (B, k, L)
        indices, noise = ctx.saved_tensors
        samples = noise.shape[1]
        if ctx.sigma <= 0:
            return grad_output.new_zeros(noise[:, 0].shape), None, None, None, None
        picked = grad_output.gather(2, indices.transpose(1, 2)).transpose(1, 2)  # (B, S, k)
        if ctx.full:
            value = picked.sum(dim=-1, keepdim=True)  # (B, S, 1): the loss's slope along this sample's choice
            if samples > 1:
                # (value - mean) * noise / (samples - 1) is a sample covariance: unbiased.
                value, samples = value - value.mean(dim=1, keepdim=True), samples - 1
            weight = value
        else:
            # A sample selects an index at most once, so nothing is overwritten.
            weight = torch.zeros_like(noise).scatter(2, indices, picked)  # (B, S, L)
        return (weight * noise).sum(dim=1) / (samples * ctx.sigma), None, None, None, None
