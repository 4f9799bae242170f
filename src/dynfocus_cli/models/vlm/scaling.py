"""How a model takes frames: their size and colours, by the files that came with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
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

CLIP: tuple[Colour, Colour] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
"""Mean and deviation of OpenAI's CLIP."""
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
    """The preprocessing settings of a model folder. Those for frames are in one file, as transformers has it:
    the first there is, those for videos before those for images."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelUnavailable where a file is no JSON object."""
        processor = _read(folder / "processor_config.json")
        picture = _read(folder / "preprocessor_config.json")
        self.video: dict[str, Any] = (
            processor.get("video_processor") or _read(folder / "video_preprocessor_config.json") or picture
        )
        """Of frames."""
        self.image: dict[str, Any] = picture or processor.get("image_processor") or {}
        """Of single pictures."""

    def colours(self, mean: Colour, std: Colour) -> tuple[Colour, Colour]:
        """Mean and deviation a channel; `mean` and `std` where the files have none."""
        return colour(self.video.get("image_mean", mean)), colour(self.video.get("image_std", std))


def colour(values: Iterable[float]) -> Colour:
    """One number a channel, as a file of settings has them."""
    r, g, b = map(float, values)
    return r, g, b


def _read(path: Path) -> dict[str, Any]:
    """The object in a JSON file; nothing where there is no such file.

    Raises:
        ModelUnavailable: the file is no JSON object.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise ModelUnavailable(f"{path} is no JSON object.")
    return settings
