"""LLaVA-NeXT-Video: square frames, pooled to half a side before they are projected; no times.

Facts: transformers, models/llava_next_video.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, even_frames, hidden_state
from dynfocus_cli.models.vlm.frames import Grid
from dynfocus_cli.models.vlm.scaling import CLIP_MEAN, CLIP_STD, FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource


class LlavaNextVideo(Family):
    """Its pooling has no weights."""

    model_type = "llava_next_video"
    placeholder = "<video>"
    mark = "<video>"

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """The vision encoder's square, from the middle of the picture."""
        side = int(self.vision_config().image_size)
        return FrameScaling(side, side, "center_crop", *self.files.colours(CLIP_MEAN, CLIP_STD))

    def grid(self, scaling: FrameScaling) -> Grid:
        """Squares of `spatial_pool_stride` patches are one token."""
        stride = int(self.config.spatial_pool_stride)
        side = scaling.width // int(self.vision_config().patch_size) // stride
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, without the class token."""
        found = hidden_state(network.model.vision_tower, pixels, self.config.vision_feature_layer)
        return found[:, 1:] if self.config.vision_feature_select_strategy == "default" else found

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Pooled, and projected."""
        model = network.model
        found: Tensor = model.multi_modal_projector(model.vision_resampler(features))
        return found

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """8 frames, as in its documentation."""
        return even_frames(source, most=8)
