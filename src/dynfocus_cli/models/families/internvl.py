"""InternVL3: square frames, numbered; no times.

Facts: transformers, models/internvl.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, even_frames, hidden_state, square_grid
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.scaling import FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class InternVL(Family):
    """Frames are pictures to it, with a number ahead of each."""

    model_type = "internvl"
    placeholder = "<IMG_CONTEXT>"
    mark = "<video>"

    @property
    def _sides(self) -> tuple[int, int]:
        """Pixels a side of a frame and of a patch."""
        vision = self.vision_config()
        sizes = (vision.image_size, vision.patch_size)
        first, second = (size if isinstance(size, int) else size[0] for size in sizes)
        return int(first), int(second)

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """The vision encoder's square, with the whole picture in it."""
        side, _ = self._sides
        return FrameScaling(side, side, "squash", *self.files.colours(IMAGENET_MEAN, IMAGENET_STD))

    def patches(self, scaling: FrameScaling) -> int:
        """Square ones."""
        return (scaling.width // self._sides[1]) ** 2

    @property
    def pixels_a_patch(self) -> int:
        """In three colours."""
        return 3 * self._sides[1] ** 2

    def grid(self, scaling: FrameScaling) -> Grid:
        """Four patches are one token."""
        side = int(scaling.width // self._sides[1] * self.config.downsample_ratio)
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, without the class token."""
        layer, tower = self.config.vision_feature_layer, network.model.vision_tower
        found: Tensor = tower(pixels).last_hidden_state if layer == -1 else hidden_state(tower, pixels, layer)
        return found[:, 1:]

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Patches shuffled into channels, and projected."""
        grid = square_grid(features).permute(0, 2, 3, 1).contiguous()  # (B, side, side, D)
        shuffled = network.model.pixel_shuffle(grid, scale_factor=self.config.downsample_ratio)
        found: Tensor = network.model.multi_modal_projector(shuffled.flatten(1, 2))
        return found

    def video_text(self, video: VideoTokens | None) -> str:
        """A line a part."""
        return "" if video is None else "\n".join(self.part_text(part, video) for part in video.parts)

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """The number of the frame, from 1 on, or the first and the last of a run."""
        number = f"{part.first + 1}"
        if part.frames > 1:
            number += f"-{part.first + part.frames}"
        return f"Frame{number}: <img>{super().part_text(part, video)}</img>"

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """8 frames, as in its documentation."""
        return even_frames(source, most=8)
