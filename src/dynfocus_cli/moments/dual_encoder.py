"""SigLIP, SigLIP 2 and CLIP as retrievers."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.selector_text import SelectorText, load_selector_text, read_calibration
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.types import ModelInfo

NEUTRAL = ("a photo", "a picture", "an image", "a frame of a video", "a scene")
"""Captions that are true of everything."""


class DualEncoderRetriever(Retriever):
    """A public dual encoder; each half is loaded when it is needed."""

    is_measured = False
    threshold = 0.5

    def __init__(self, spec: SelectorSpec, info: ModelInfo) -> None:
        """
        Args:
            info: of the model beside which it stands, or its own.

        Raises:
            ModelUnavailable: its weights lack scale or bias.
        """
        self.name, self.info, self.revision = spec.name, info, spec.revision
        self.weights, self.device = spec.weights, spec.device
        calibration = read_calibration(spec)
        self.scale, self.bias = calibration.scale, calibration.bias or 0.0
        self._spec, self._compares_captions = spec, calibration.bias is None

    @cached_property
    def tower(self) -> VisionTower:
        return self._spec.load().tower

    @cached_property
    def _text(self) -> SelectorText:
        return load_selector_text(self._spec)

    @cached_property
    def _neutral(self) -> Tensor:
        return torch.stack([self._text(caption) for caption in NEUTRAL]).mean(dim=0)

    def text(self, caption: str) -> Tensor:
        vector = self._text(caption)
        return vector - self._neutral if self._compares_captions else vector
