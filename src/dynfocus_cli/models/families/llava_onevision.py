"""LLaVA-OneVision: square frames, halved a side, and one closing token behind them all; no times.

Facts: transformers, models/llava_onevision.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.models.vlm.family import Family, square_grid
from dynfocus_cli.models.vlm.frames import Grid, VideoTokens
from dynfocus_cli.models.vlm.scaling import FrameScaling


class LlavaOneVision(Family):
    """The model projects patches first, and then halves their grid."""

    title = "LLaVA-OneVision"
    stock_frames = 32

    def grid(self, scaling: FrameScaling) -> Grid:
        """Half as many tokens as patches a side, rounded up."""
        side = math.ceil(scaling.width // self.patch / 2)
        return Grid(side, side)

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Patches projected, then the grid scaled to half a side."""
        grid = square_grid(super().project(network, features))
        half = math.ceil(grid.shape[-1] / 2)
        return F.interpolate(grid, size=(half, half), mode="bilinear").flatten(2).transpose(1, 2)

    def video_text(self, video: VideoTokens | None) -> str:
        """Placeholders alone, one of them for the closing token."""
        return "" if video is None else super().video_text(video) + self.placeholder

    def closing(self, network: Any) -> Tensor:
        """The learned token that ends a row, which stands once behind all frames."""
        newline: Tensor = network.model.image_newline
        return newline.unsqueeze(0)
