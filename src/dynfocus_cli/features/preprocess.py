"""From decoded pixels to what the vision encoder takes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

import torch

from dynfocus_cli.errors import ModelUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Fit = Literal["squash", "center_crop", "letterbox"]

FILE_NAME = "preprocessor_config.json"


class Scaling(Protocol):
    """How frames become a vision encoder's input; a dataclass, whose fields are part of the features' key."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def width(self) -> int:
        """Pixels, after the decoder's scaling."""

    @property
    def height(self) -> int:
        """Pixels, likewise."""

    @property
    def fit(self) -> Fit:
        """How the decoder scales to that."""

    def __call__(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """(B, height, width, 3) RGB to (B, 3, height, width) float32."""


def normalised(
    pixels: NDArray[np.uint8], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> torch.Tensor:
    """Pixels (B, H, W, 3) as (B, 3, H, W) float32, brought to mean 0 and deviation 1 a channel."""
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0
    return (scaled - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a frame becomes the vision encoder's input; the decoder scales, this normalises."""

    size: int = 224
    """Pixels a side, after scaling."""
    fit: Fit = "center_crop"
    """`squash` keeps the whole picture, `center_crop` its shape (as the release does), `letterbox` both
    between black bars."""
    # CLIP's statistics, which EVA and LLaMA-VID share.
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    def __post_init__(self) -> None:
        if not (isinstance(self.size, int) and self.size > 0):
            raise ValueError(f"size must be a number of pixels, got {self.size!r}")
        if self.fit not in get_args(Fit):
            raise ValueError(f"fit must be one of {get_args(Fit)}, got {self.fit!r}")
        numbers = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(isinstance(n, int | float) for n in numbers):
            raise ValueError(f"mean and std must be 3 numbers each, got {self.mean} and {self.std}")
        if not all(self.std):
            raise ValueError(f"std must not be 0, got {self.std}")

    def __call__(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Normalised pixels: (B, size, size, 3) RGB to (B, 3, size, size) float32."""
        return normalised(pixels, self.mean, self.std)

    @property
    def width(self) -> int:
        return self.size

    @property
    def height(self) -> int:
        return self.size

    def save(self, folder: Path) -> None:
        """Writes `preprocessor_config.json` into `folder`."""
        text = json.dumps(asdict(self), indent=2)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Preprocessing:
        """Reads `preprocessor_config.json` from `folder`.

        Raises:
            ModelUnavailable: the file is missing or says something unknown.
        """
        try:
            fields = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            return cls(**fields | {key: tuple(fields[key]) for key in ("mean", "std")})
        except KeyError as error:
            raise ModelUnavailable(f"{folder / FILE_NAME} does not say {error}.") from error
        except OSError as error:
            raise ModelUnavailable(f"{folder / FILE_NAME} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError) as error:
            raise ModelUnavailable(f"{folder / FILE_NAME} cannot be used: {error}") from error
