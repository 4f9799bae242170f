"""Video-LLaVA: square frames with their class tokens, nothing between them; no times.

Facts: transformers, models/video_llava.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, even_frames, hidden_state
from dynfocus_cli.models.vlm.frames import Grid
from dynfocus_cli.models.vlm.scaling import CLIP_MEAN, CLIP_STD, FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource


class VideoLlava(Family):
    """It has a vision encoder for pictures and one for videos; the latter sees each frame for itself."""

    model_type = "video_llava"
    placeholder = "<video>"
    mark = "<video>"
    vision = ("model.video_tower", "model.image_tower", "model.multi_modal_projector")

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """The vision encoder's square, from the middle of the picture."""
        side = int(self.vision_config().image_size)
        return FrameScaling(side, side, "center_crop", *self.files.colours(CLIP_MEAN, CLIP_STD))

    def grid(self, scaling: FrameScaling) -> Grid:
        """One token a patch, after the class token's."""
        side = scaling.width // int(self.vision_config().patch_size)
        return Grid(side, side, extra=1)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, with the class token."""
        return hidden_state(network.model.video_tower, pixels, self.config.vision_feature_layer)

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Each on its own."""
        found: Tensor = network.model.multi_modal_projector(features)
        return found

    def compared(self, features: Tensor) -> Tensor:
        """Without the class token."""
        return features[:, 1:]

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """8 frames, as it was trained."""
        return even_frames(source, most=8)
