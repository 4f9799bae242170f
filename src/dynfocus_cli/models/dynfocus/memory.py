"""The memory that each stage of the paper's network takes."""

from __future__ import annotations

import torch

from dynfocus_cli.cce.spatial_prototypes import CHUNK
from dynfocus_cli.models.memory import MemoryModel, RunShape, StageBytes, encoder_bytes, pixel_bytes
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import QFORMER_PATCHES
from dynfocus_cli.network.skeleton import parameter_shapes, quantized_layers
from dynfocus_cli.types import Quantization


class DynFocusMemory(MemoryModel):
    """Of one configuration."""

    def __init__(
        self, config: DynFocusConfig, quantization: Quantization, dtype: torch.dtype, device: torch.device
    ) -> None:
        shapes, layers = parameter_shapes(config), quantized_layers(config)
        super().__init__(shapes, layers, ("vision.",), config.text_config, quantization, dtype, device)
        self._config = config

    def stages(self, shape: RunShape) -> StageBytes:
        """Features are on the network's device from encoding on."""
        config, side = self._config, self._config.image_size
        vision, batch = config.vision_config, min(shape.batch, shape.frames)
        features = shape.frames * self._rows * vision.hidden_size * self.size
        encode = pixel_bytes(batch, side, side, self.size)
        encode += encoder_bytes(vision, batch * (config.patches + 1), self.size)
        if self.device == "cpu":
            # Features stay where they are made; to be cached they are written out, which copies twice.
            encode = features + max(encode, 2 * features)
        return StageBytes(encode, features, self._select(shape))

    @property
    def _rows(self) -> int:
        """Feature vectors a frame: patches, and the class token where it is kept."""
        return self._config.patches + self._config.class_token

    def _select(self, shape: RunShape) -> int:
        """The prototypes and queries of all frames, and the larger of S-DPC's and the Q-Former's steps."""
        config = self._config
        width, words = config.vision_config.hidden_size, config.text_config.hidden_size
        query_width, patches = config.qformer_config.hidden_size, config.patches
        queries = shape.frames * config.num_query_tokens
        points = patches if config.rod_source == "patches" else sum(config.spatial_prototypes)
        kept = shape.frames * sum(config.spatial_prototypes) * width + queries * (query_width + width)
        clustered = CHUNK * patches * (4 * width + 6 * patches) * 4
        at_once = max(1, QFORMER_PATCHES // self._rows)
        read = at_once * self._rows * (3 * width + 3 * query_width) * self.size
        attended = 2 * queries * points * 4
        written = shape.video_tokens * (2 * width + 4 * words) * self.size
        return kept * self.size + max(clustered, read, attended) + written
