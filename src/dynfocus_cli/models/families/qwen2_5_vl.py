"""Qwen2.5-VL: frames in their own shape, whose times are told by their positions alone.

Facts: transformers, models/qwen2_5_vl.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.models.families.qwen3_vl import MOST_TOKENS, Qwen3VL
from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.frames import Part, VideoTokens
from dynfocus_cli.models.vlm.native_resolution import fitting_size
from dynfocus_cli.models.vlm.scaling import CLIP, FrameScaling
from dynfocus_cli.types import VideoSource

ROUNDING = 1e-4
"""Of a position in time, so that 0.1 + 0.2 seconds are no less than 0.3."""


class Qwen25VL(Qwen3VL):
    """As Qwen3-VL, but for time: all frames are one block, and their positions say when they are."""

    title = "Qwen2.5-VL"
    colours = CLIP

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """Each frame for itself, however many there are; one alone has at most `MOST_TOKENS`."""
        files, cell = self.files.video, self._cell**2
        size = files.get("size") or {}
        least = files.get("min_pixels") or size.get("shortest_edge") or 128 * cell
        most = files.get("max_pixels") or size.get("longest_edge") or MOST_TOKENS * cell
        if frames == 1:
            most = min(most, MOST_TOKENS * cell)
        height, width = fitting_size(
            source.height, source.width, factor=self._cell, least=min(least, most), most=most
        )
        return self.scaled(width, height)

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """Placeholders alone."""
        return Family.part_text(self, part, video)

    def positions(self, network: Any, ids: Tensor, is_video: Tensor, video: VideoTokens) -> Tensor:
        """Text counts on; a token of the video is at its time, counted from the video's beginning, and at its
        place in the frame."""
        first, count = int(is_video.int().argmax()), int(is_video.sum())
        pace = float(self.vision_config().tokens_per_second)
        times = [int(time_s * pace + ROUNDING) for part in video.parts for time_s in part.times_s]
        rows = [int(row) for part in video.parts for row in part.rows]
        columns = [int(column) for part in video.parts for column in part.columns]
        inside = first + torch.tensor([times, rows, columns])
        following = first + max(video.grid.rows, video.grid.columns)
        if _text_follows_time(network):
            following = int(inside.max()) + 1
        after = following + torch.arange(len(ids) - first - count)
        return torch.cat((torch.arange(first).expand(3, -1), inside, after.expand(3, -1)), dim=1)


def _text_follows_time(network: Any) -> bool:
    """Whether the text behind a video is placed after its last moment, as transformers had it before 5.24,
    or after its rows and columns. The installed version is asked, so that we read as it does."""
    merge = network.config.vision_config.spatial_merge_size
    kinds = torch.tensor([[2, 2, 0]])
    positions, _ = network.model.get_rope_index(
        input_ids=torch.zeros_like(kinds),
        mm_token_type_ids=kinds,
        video_grid_thw=torch.tensor([[2, merge, merge]]),
        second_per_grid_ts=torch.tensor([100.0]),
    )
    return bool(positions[0, 0, -1] > positions[0, 0, 0] + 1)
