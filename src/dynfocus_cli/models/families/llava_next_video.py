"""LLaVA-NeXT-Video: square frames, pooled to half a side before they are projected; no times.

Facts: transformers, models/llava_next_video.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.frames import Grid
from dynfocus_cli.models.vlm.scaling import CLIP, FrameScaling


class LlavaNextVideo(Family):
    """Its pooling has no weights."""

    title = "LLaVA-NeXT-Video"
    fit = "center_crop"
    colours = CLIP

    def grid(self, scaling: FrameScaling) -> Grid:
        """Squares of `spatial_pool_stride` patches are one token."""
        side = scaling.width // self.patch // int(self.config.spatial_pool_stride)
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, without the class token."""
        features = super().features(network, pixels, together)
        return features[:, 1:] if self.config.vision_feature_select_strategy == "default" else features

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Pooled, and projected."""
        return super().project(network, network.model.vision_resampler(features))
