"""Video-LLaVA: square frames with their class tokens, nothing between them; no times.

Facts: transformers, models/video_llava.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, hidden_state
from dynfocus_cli.models.vlm.frames import Grid
from dynfocus_cli.models.vlm.scaling import CLIP, FrameScaling


class VideoLlava(Family):
    """The model has vision encoders for pictures and for videos; the latter encodes frames one by one."""

    title = "Video-LLaVA"
    fit = "center_crop"
    colours = CLIP
    vision = ("model.video_tower", "model.image_tower", "model.multi_modal_projector")

    def grid(self, scaling: FrameScaling) -> Grid:
        """One token a patch, after the class token's."""
        side = scaling.width // self.patch
        return Grid(side, side, extra=1)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, with the class token."""
        return hidden_state(network.model.video_tower, pixels, self.config.vision_feature_layer)

    def compared(self, features: Tensor) -> Tensor:
        """Without the class token."""
        return features[:, 1:]
