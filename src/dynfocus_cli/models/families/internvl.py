"""InternVL3: square frames, numbered; no times.

Facts: transformers, models/internvl.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, square_grid
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.scaling import FrameScaling

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class InternVL(Family):
    """The model reads a video as pictures with a number before each."""

    title = "InternVL"
    placeholder = "<IMG_CONTEXT>"
    colours = IMAGENET

    @property
    def side(self) -> int:
        """Pixels a side: the config's image size, or the first where it has two."""
        return _first(self.vision_config().image_size)

    @property
    def patch(self) -> int:
        """Likewise."""
        return _first(self.vision_config().patch_size)

    def grid(self, scaling: FrameScaling) -> Grid:
        """Four patches are one token."""
        side = int(scaling.width // self.patch * self.config.downsample_ratio)
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Of the layer that the config names, without the class token."""
        if self.config.vision_feature_layer != -1:
            return super().features(network, pixels, together)[:, 1:]
        normed: Tensor = network.model.vision_tower(pixels).last_hidden_state
        return normed[:, 1:]

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Patches shuffled into channels, and projected."""
        grid = square_grid(features).permute(0, 2, 3, 1).contiguous()  # (B, side, side, D)
        shuffled = network.model.pixel_shuffle(grid, scale_factor=self.config.downsample_ratio)
        return super().project(network, shuffled.flatten(1, 2))

    def video_text(self, video: VideoTokens | None) -> str:
        """A line a part."""
        return "" if video is None else "\n".join(self.part_text(part, video) for part in video.parts)

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """The number of the frame, from 1 on, or the first and the last of a run."""
        number = f"{part.first + 1}"
        if part.frames > 1:
            number += f"-{part.first + part.frames}"
        return f"Frame{number}: <img>{super().part_text(part, video)}</img>"


def _first(size: int | list[int]) -> int:
    return size if isinstance(size, int) else size[0]
