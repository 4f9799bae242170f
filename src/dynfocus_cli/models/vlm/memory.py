"""What the stages of a public model take."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dynfocus_cli.models.memory import MemoryModel, RunShape, StageBytes, encoder_bytes
from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.scaling import FrameScaling
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.skeleton import Skeleton
from dynfocus_cli.types import Quantization, VideoSource


@dataclass(frozen=True, slots=True)
class EncodingPasses:
    """The sizes in which frames go through the vision encoder."""

    first: FrameScaling
    """Of every frame."""
    detail: FrameScaling | None
    """Of key frames once more; None where the first pass is the only one."""


def encoding_passes(family: Family, shape: RunShape) -> EncodingPasses:
    """For a video of the shape's width and height."""
    source = VideoSource("", 1.0, shape.width, shape.height, 30.0, "", 0, False, 0, 0.0)
    if shape.stock:
        return EncodingPasses(family.scaling(source, max(1, shape.frames)), None)
    preview, whole = family.preview(source), family.scaling(source, 1)
    return EncodingPasses(whole, None) if preview is None else EncodingPasses(preview, whole)


class VlmMemory(MemoryModel):
    """Of one model, and of the selector beside it where there is one."""

    def __init__(
        self,
        family: Family,
        skeleton: Skeleton,
        quantization: Quantization,
        dtype: torch.dtype,
        device: torch.device,
        selector: SelectorSpec | None = None,
    ) -> None:
        super().__init__(
            skeleton.shapes,
            skeleton.quantizable,
            family.vision,
            family.config.get_text_config(),
            quantization,
            dtype,
            device,
        )
        self._family, self._selector = family, selector
        if selector is not None:
            self.weights += selector.weights

    def stages(self, shape: RunShape) -> StageBytes:
        """Features are kept on the CPU."""
        family, passes = self._family, encoding_passes(self._family, shape)
        batch = min(shape.batch, shape.frames)
        patches = family.patches(passes.first) * batch
        first = kept = shape.frames * family.kept(passes.first)
        if passes.detail is not None:
            kept += shape.key_frames * family.kept(passes.detail)
            detailed = min(batch, max(1, shape.key_frames))
            patches = max(patches, family.patches(passes.detail) * detailed)
        encode = encoder_bytes(family.vision_config(), patches, self.size)
        encode += patches * family.pixels_a_patch * self.size
        if self._selector is not None:
            encode = max(encode, self._selector.encoding_bytes(batch))
        features = kept * self.size if self.device == "cpu" else 0
        # Clustered in float32, of which there are two copies.
        return StageBytes(encode + 3 * features, features, 8 * first)
