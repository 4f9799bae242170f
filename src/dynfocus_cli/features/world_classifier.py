"""A classifier that tells frames like those that a model was trained on from other pictures.

A Gaussian of patch features misses much that makes pictures foreign: a grey wall or a starry sky lies well
within it, and so do things half as large as in training. Which patches stand out, and how far, tells them
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

FARTHEST = 6.0
"""Standard deviations at which a feature is cut: beyond them nothing was measured."""
PENALTY = 1e-3
"""Of the squared weights, in the fit."""


@dataclass(frozen=True, slots=True)
class WorldClassifier:
    """Logistic regression on `summary`; the fields are tensors of F = 3 D_v + N values."""

    centre: Tensor
    scale: Tensor
    weights: Tensor
    bias: float
    least: float = 0.0
    """The least log odds of a video that is taken for one of the training world: even ones."""

    def log_odds(self, whitened: Tensor) -> float:
        """Of a video's frames being of the training world: the mean over the frames.

        Shape:
            whitened: (T, N, D_v).
        """
        place = whitened.device
        features = (summary(whitened) - self.centre.to(place)) / self.scale.to(place)  # (T, F)
        features = features.clamp(-FARTHEST, FARTHEST)
        return float((features @ self.weights.to(place)).mean()) + self.bias

    def fits(self, features: int) -> bool:
        """Whether it was fitted to so many features a frame."""
        return all(value.shape == (features,) for value in (self.centre, self.scale, self.weights))

    def tensors(self) -> dict[str, Tensor]:
        """What is stored, by name."""
        return {field.name: torch.as_tensor(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> WorldClassifier:
        """The classifier that `tensors` gave. Raises KeyError for one that is missing."""
        numbers = float(tensors["bias"]), float(tensors["least"])
        return cls(tensors["centre"], tensors["scale"], tensors["weights"], *numbers)

    @classmethod
    def fit(cls, inside: Sequence[Tensor], outside: Sequence[Tensor]) -> WorldClassifier:
        """Learns from videos of the training world and from others, each (T, N, D_v), whitened.

        A video counts as much as any other, whatever its length, and both sides count alike.
        """
        videos = [summary(video).double() for video in (*inside, *outside)]
        features = torch.cat(videos)  # (sum of T, F)
        centre, scale = features.mean(0), features.std(0) + 1e-6
        features = ((features - centre) / scale).clamp(-FARTHEST, FARTHEST)
        lengths = torch.tensor([len(video) for video in videos])
        is_inside = torch.arange(len(videos)) < len(inside)
        shares = 1 / (lengths * torch.where(is_inside, len(inside), len(outside))).double()
        shares, targets = shares.repeat_interleave(lengths), is_inside.double().repeat_interleave(lengths)
        weights = torch.zeros(features.shape[1] + 1, dtype=torch.double, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            total = torch.nn.functional.binary_cross_entropy_with_logits(
                features @ weights[:-1] + weights[-1], targets, weight=shares, reduction="sum"
            )
            total = total + PENALTY * weights[:-1].square().sum()
            total.backward()
            return total

        optimizer.step(loss)
        learned = weights.detach()
        return cls(centre.float(), scale.float(), learned[:-1].float(), float(learned[-1]))


def summary(whitened: Tensor) -> Tensor:
    """Mean, largest and least of each feature over a frame's patches, and how far its patches stand out from
    its median patch, the farthest first (logarithm of the mean square).

    Shape:
        whitened: (T, N, D_v). Returns (T, 3 D_v + N).
    """
    apart = (whitened - whitened.median(dim=1, keepdim=True).values).square().mean(dim=-1)  # (T, N)
    ranked = apart.sort(dim=1, descending=True).values.clamp(min=1e-3).log()
    return torch.cat((whitened.mean(1), whitened.amax(1), whitened.amin(1), ranked), dim=1)
