"""Whether a video is of the world that a model was trained on, measured on its features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable

FILE_NAME = "familiarity.safetensors"


@dataclass(frozen=True, slots=True)
class Familiarity:
    """The distribution of a training world's patch features: a Gaussian, and how far out its own videos lie.

    A model folder without this file makes no claim about its world.
    """

    mean: Tensor
    """(D_v,)."""
    whitening: Tensor
    """(D_v, D_v): features times this have unit covariance in the training world."""
    threshold: float
    """Distance that nearly all held-out videos of the training world stay below."""

    def distance(self, patches: Tensor) -> float:
        """How far a video lies from the training world: the mean squared Mahalanobis distance over its
        frames' patches and the feature width. About 1 for the training world itself.

        Shape:
            patches: (T, N, D_v).
        """
        offset = (patches.float() - self.mean.to(patches.device)) @ self.whitening.to(patches.device)
        return float(offset.square().mean())

    def is_familiar(self, patches: Tensor) -> bool:
        """Whether the video lies where held-out videos of the training world do. Shape: (T, N, D_v)."""
        return self.distance(patches) <= self.threshold

    @classmethod
    def measure(cls, videos: list[Tensor], margin: float) -> Familiarity:
        """Fits the Gaussian on the first half of `videos` (each (T, N, D_v)); the largest distance of the
        second half, times `margin`, becomes the threshold."""
        half = len(videos) // 2
        patches = torch.cat([video.flatten(0, 1) for video in videos[:half]]).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        # Directions that the training world hardly uses are held to a floor: noise there is no news.
        scale = values.clamp(min=1e-3 * float(values.max())).rsqrt()
        fitted = cls(mean.float(), (vectors * scale).float(), 0.0)
        farthest = max(fitted.distance(video) for video in videos[half:])
        return cls(fitted.mean, fitted.whitening, margin * farthest)

    def save(self, folder: Path) -> None:
        """Writes `familiarity.safetensors` into `folder`."""
        tensors = {
            "mean": self.mean,
            "whitening": self.whitening.contiguous(),
            "threshold": torch.tensor(self.threshold),
        }
        save_file(tensors, folder / FILE_NAME)

    @classmethod
    def load(cls, folder: Path) -> Familiarity | None:
        """Reads `familiarity.safetensors` from `folder`; None where there is none.

        Raises:
            ModelUnavailable: the file is damaged or lacks a tensor.
        """
        path = folder / FILE_NAME
        if not path.exists():
            return None
        try:
            tensors = load_file(path)
            return cls(tensors["mean"], tensors["whitening"], float(tensors["threshold"]))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelUnavailable(f"{path} cannot be used: {error}") from error
