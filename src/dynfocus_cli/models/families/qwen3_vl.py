"""Qwen3-VL: frames in their own shape, a time stamp before each, and features for three layers more.

Facts: transformers, models/qwen3_vl.
"""

from __future__ import annotations

from itertools import groupby
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, even_frames
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.native_resolution import fitting_size, patchify
from dynfocus_cli.models.vlm.scaling import FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource

PREVIEW_CELLS = 4
"""Tokens a side of the first look, at most: as many as events are told apart by (`POOLED_SIDE`)."""
MOST_TOKENS = 768
"""Of a key frame, as the makers' reference code caps it."""


class Qwen3VL(Family):
    """Its own way encodes frames in pairs; a frame on its own is paired with itself, as a picture is."""

    title = "Qwen3-VL"
    placeholder = "<|video_pad|>"
    mark = "<|video_pad|>"
    together = 2
    has_3d_positions = True
    vision = ("model.visual",)

    @property
    def _cell(self) -> int:
        """Pixels a side of what becomes one token."""
        return self.patch * int(self.vision_config().spatial_merge_size)

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """Several frames share the pixels of a video; one has at most `MOST_TOKENS`."""
        size = self.files.video.get("size") or {}
        least, most = size.get("shortest_edge", 4096), size.get("longest_edge", 25_165_824)
        if frames == 1:
            most = min(most, MOST_TOKENS * self._cell**2)
        height, width = fitting_size(
            source.height,
            source.width,
            factor=self._cell,
            least=least,
            most=most,
            frames=frames,
            counted=max(1, round(frames / 2) * 2) if frames > 1 else 1,
        )
        return self.scaled(width, height)

    def preview(self, source: VideoSource) -> FrameScaling:
        """A square of few tokens; no more than a whole frame has."""
        side = min(PREVIEW_CELLS, isqrt(self.grid(self.scaling(source, 1)).tokens)) * self._cell
        return self.scaled(side, side)

    def grid(self, scaling: FrameScaling) -> Grid:
        """One token a cell."""
        return Grid(scaling.height // self._cell, scaling.width // self._cell)

    def kept(self, scaling: FrameScaling) -> int:
        """The embedding of each token, and the features that later layers add to it."""
        vision = self.vision_config()
        return self.grid(scaling).tokens * vision.out_hidden_size * (1 + len(self._deep))

    @property
    def _deep(self) -> list[int]:
        return list(getattr(self.vision_config(), "deepstack_visual_indexes", []))

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """(B, n, D_l * (1 + layers)): projected, and beside that what the later layers are given."""
        vision = self.vision_config()
        pairs = pixels.unflatten(0, (-1, together))  # (U, together, 3, H, W)
        pairs = pairs.repeat_interleave(vision.temporal_patch_size // together, dim=1)
        rows, columns = pixels.shape[2] // vision.patch_size, pixels.shape[3] // vision.patch_size
        grid = torch.tensor([[1, rows, columns]] * len(pairs), device=pixels.device)
        patches = patchify(pairs, vision.patch_size, vision.spatial_merge_size)
        output = network.model.get_video_features(patches, grid)
        layers = [output.pooler_output, *(getattr(output, "deepstack_features", None) or [])]
        return torch.cat([torch.stack(list(layer)) for layer in layers], dim=-1)

    def project(self, network: Any, features: Tensor) -> Tensor:
        """They are projected already: the merger is the last layer of the vision encoder."""
        return features

    def compared(self, features: Tensor) -> Tensor:
        """Without what the later layers are given."""
        return features[..., : self.vision_config().out_hidden_size]

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """The time stamp of a frame in seconds; of a pair of frames, their middle."""
        time_s = part.time_s if part.is_run else (part.time_s + part.until_s) / 2
        return f"<{time_s:.1f} seconds><|vision_start|>{super().part_text(part, video)}<|vision_end|>"

    def positions(self, network: Any, ids: Tensor, is_video: Tensor, video: VideoTokens) -> Tensor:
        """Text counts on; a frame is a rectangle at one time, and a run's frames count on like words."""
        pieces: list[Tensor] = []
        at, parts = 0, iter(video.parts)
        for shown, group in groupby(is_video.tolist()):
            count = len(list(group))
            if not shown:
                pieces.append((at + torch.arange(count)).expand(3, -1))
                at += count
                continue
            part = next(parts)
            if part.is_run:
                steps = torch.arange(part.frames).repeat_interleave(part.tokens // part.frames)
                pieces.append((at + steps).expand(3, -1))
                at += part.frames
                continue
            places = torch.tensor([(0.0,) * part.tokens, part.rows, part.columns])
            pieces.append(at + places.long())
            at += max(video.grid.rows, video.grid.columns)
        return torch.cat(pieces, dim=1)

    def embedded(self, embeddings: Tensor) -> Tensor:
        """The first D_l of each."""
        return embeddings[:, : self.vision_config().out_hidden_size]

    def beside(self, embeddings: Tensor, is_video: Tensor) -> dict[str, Any]:
        """DeepStack: what is added to the hidden states after the first layers."""
        _, *deep = embeddings.split(self.vision_config().out_hidden_size, dim=-1)
        return {"visual_pos_masks": is_video, "deepstack_visual_embeds": list(deep)} if deep else {}

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """2 frames a second, 4 to 768 of them."""
        return even_frames(source, most=768, least=4, fps=2.0, multiple=2)
