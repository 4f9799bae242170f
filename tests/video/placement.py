"""How a picture lies in the decoded frame, for the tests' clips and for their oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """What players do to a decoded frame: cut off its margins, mirror it left to right, turn it."""

    clockwise: int = 0
    """Degrees."""
    mirrored: bool = False
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Pixels of the decoded frame at the left, the top, the right and the bottom."""

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as displayed, of a decoded frame."""
        left, top, right, bottom = self.margins
        size = (width - left - right, height - top - bottom)
        return size if self.clockwise % 180 == 0 else size[::-1]

    def stored(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame to encode; its margins are grey."""
        picture = np.rot90(upright, self.clockwise // 90)
        if self.mirrored:
            picture = picture[:, ::-1]
        left, top, right, bottom = self.margins
        return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=128)

    def shown(self, decoded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture in a decoded frame."""
        left, top, right, bottom = self.margins
        picture = decoded[top : len(decoded) - bottom, left : decoded.shape[1] - right]
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.rot90(picture, -self.clockwise // 90)


UPRIGHT = Placement()
