"""Whether a video is like those that a model was trained on, by the patch features of its frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.world_classifier import WorldClassifier

FILE_NAME = "familiarity.safetensors"
_PREFIX = "classifier."
WIDER_DISTANCE, WIDER_ODDS = 1.25, 1.0
"""What `widened` leaves beyond the videos that it takes in: a factor on the greatest distance, and what is
taken off the least log odds."""


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
    """Distance that held-out videos of the training world stay below."""
    classifier: WorldClassifier | None = None
    """Tells frames of the training world from others; None in folders that have the distribution alone."""

    def whitened(self, patches: Tensor) -> Tensor:
        """Features with mean 0 and unit covariance in the training world, in float32; the shape stays."""
        return (patches.float() - self.mean.to(patches.device)) @ self.whitening.to(patches.device)

    def distance(self, patches: Tensor) -> float:
        """How far a video lies from the training world: the mean squared Mahalanobis distance over its
        frames' patches and the feature width. About 1 for the training world itself.

        Shape:
            patches: (T, N, D_v).
        """
        return float(self.whitened(patches).square().mean())

    def is_familiar(self, patches: Tensor) -> bool:
        """Whether the video lies where held-out videos of the training world do. Shape: (T, N, D_v)."""
        return self.covers(self.distance(patches), self.log_odds(patches))

    def covers(self, distance: float, log_odds: float) -> bool:
        """Whether a video of such a distance and such log odds is familiar."""
        return distance <= self.threshold and (self.classifier is None or log_odds >= self.classifier.least)

    def widened(self, distance: float, log_odds: float) -> Familiarity:
        """The same, with videos up to this distance and down to these log odds counted as familiar, and a
        margin beyond them."""
        classifier = self.classifier
        if classifier is not None:
            classifier = replace(classifier, least=min(classifier.least, log_odds - WIDER_ODDS))
        return replace(self, threshold=max(self.threshold, WIDER_DISTANCE * distance), classifier=classifier)

    def log_odds(self, patches: Tensor) -> float:
        """Of the video's frames being of the training world, by the classifier; 0 without one.

        Shape:
            patches: (T, N, D_v).
        """
        return 0.0 if self.classifier is None else self.classifier.log_odds(self.whitened(patches))

    @classmethod
    def measure(cls, videos: list[Tensor], margin: float) -> Familiarity:
        """Fits the Gaussian on the first half of `videos` (each (T, N, D_v)); the largest distance of the
        second half, times `margin`, becomes the threshold."""
        half = len(videos) // 2
        patches = torch.cat([video.flatten(0, 1) for video in videos[:half]]).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
        # Directions that training hardly used get a floor: noise there says nothing.
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
        if self.classifier is not None:
            tensors |= {f"{_PREFIX}{name}": value for name, value in self.classifier.tensors().items()}
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
            kept = {name.removeprefix(_PREFIX): tensors[name] for name in tensors if name.startswith(_PREFIX)}
            classifier = WorldClassifier.of(kept) if kept else None
            return cls(tensors["mean"], tensors["whitening"], float(tensors["threshold"]), classifier)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelUnavailable(f"{path} cannot be used: {error}") from error
