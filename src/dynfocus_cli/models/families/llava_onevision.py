"""LLaVA-OneVision: square frames, halved a side, and one closing token behind them all; no times.

Facts: transformers, models/llava_onevision.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.models.vlm.family import Family, even_frames, hidden_state, square_grid
from dynfocus_cli.models.vlm.frames import Grid, VideoTokens
from dynfocus_cli.models.vlm.scaling import HALF, FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource


class LlavaOneVision(Family):
    """Patches are projected first, and then scaled down."""

    model_type = "llava_onevision"
    placeholder = "<video>"
    mark = "<video>"

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """The vision encoder's square, with the whole picture in it."""
        side = int(self.vision_config().image_size)
        return FrameScaling(side, side, "squash", *self.files.colours(HALF, HALF))

    def grid(self, scaling: FrameScaling) -> Grid:
        """Half as many tokens as patches a side, rounded up."""
        side = math.ceil(scaling.width // int(self.vision_config().patch_size) / 2)
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, all patches."""
        return hidden_state(network.model.vision_tower, pixels, self.config.vision_feature_layer)

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Projected, and scaled to half a side."""
        grid = square_grid(network.model.multi_modal_projector(features))
        half = math.ceil(grid.shape[-1] / 2)
        return F.interpolate(grid, size=(half, half), mode="bilinear").flatten(2).transpose(1, 2)

    def video_text(self, video: VideoTokens | None) -> str:
        """Placeholders alone, one of them for the closing token."""
        return "" if video is None else super().video_text(video) + self.placeholder

    def closing(self, network: Any) -> Tensor:
        """The learned end of a row, once."""
        newline: Tensor = network.model.image_newline
        return newline.unsqueeze(0)

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """32 frames, as its authors evaluate it."""
        return even_frames(source, most=32)
