"""How a model's makers scale and normalise frames: read from the files that came with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.preprocess import Fit, normalised

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Colour = tuple[float, float, float]

CLIP_MEAN: Colour = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Colour = (0.26862954, 0.26130258, 0.27577711)
HALF: Colour = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class FrameScaling:
    """A size, and statistics a channel."""

    width: int
    height: int
    fit: Fit
    mean: Colour
    std: Colour

    def __call__(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """(B, height, width, 3) RGB to (B, 3, height, width) float32."""
        return normalised(pixels, self.mean, self.std)


class ProcessorFiles:
    """The preprocessing settings of a model folder; those for videos come before those for images, as
    transformers has it: the first that is found counts alone."""

    def __init__(self, folder: Path) -> None:
        processor = _read(folder / "processor_config.json")
        found = processor.get("video_processor"), _read(folder / "video_preprocessor_config.json")
        self.processor = processor
        """Of text and pictures together."""
        self.video: dict[str, Any] = next((part for part in found if part), {}) or _read(
            folder / "preprocessor_config.json"
        )
        """Of frames."""
        self.image: dict[str, Any] = (
            _read(folder / "preprocessor_config.json") or processor.get("image_processor") or {}
        )
        """Of single pictures."""

    def colours(self, mean: Colour, std: Colour) -> tuple[Colour, Colour]:
        """Mean and deviation a channel, or what the family has where the files are silent."""
        told = self.video.get("image_mean", mean), self.video.get("image_std", std)
        first, second = (tuple(float(value) for value in values) for values in told)
        return (first[0], first[1], first[2]), (second[0], second[1], second[2])

    def side(self, default: int) -> int:
        """Pixels a side, for families whose frames are square."""
        size = self.video.get("crop_size") or self.video.get("size") or default
        if isinstance(size, dict):
            size = size.get("height") or size.get("shortest_edge") or default
        return int(size)


def _read(path: Path) -> dict[str, Any]:
    """The object in a JSON file; nothing where there is no such file.

    Raises:
        ModelUnavailable: the file is no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelUnavailable(f"{path} is no JSON object.")
    return found
