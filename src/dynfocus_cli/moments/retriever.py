"""A retriever embeds frames and captions in one space, and says how likely a frame shows what a caption says.

Its kinds:

- The paper's network with a retrieval head (`network/retrieval.py`). Scale, bias and threshold were measured
  on clips that the head never saw.
- A SigLIP or SigLIP 2: the probability is that of its own training, by its `logit_scale` and `logit_bias`
  (Zhai et al., ICCV 2023).
- A CLIP, which only compares captions with each other (Radford et al., ICML 2021): the probability is that of
  the caption against one that says nothing (the mean of `NEUTRAL` in `dual_encoder.py`), by its
  `logit_scale`.

`threshold` of public dual encoders is no measurement: nobody knows on what they are used, and no such model
was at hand when this was written. It is 0.5, from which on the caption is likelier true than not by the
model's own account; `FindOptions.threshold` sets another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from dynfocus_cli.device import threads_for
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.moments.moment import Threshold
from dynfocus_cli.options import DecodingOptions, FindOptions
from dynfocus_cli.types import Fallback, ModelInfo, VideoSource


class Retriever(ABC):
    """What compares frames with captions."""

    name: str
    """As the user calls it."""
    info: ModelInfo
    revision: str
    """Digest of all that a frame's vector depends on beside the frame: part of an index's key."""
    fps: float = 1.0
    """Sampling rate where none is asked for, frames a second."""
    scale: float
    bias: float
    threshold: float
    """The probability from which on a frame counts as showing what the caption says."""
    is_measured: bool
    """Whether the threshold was measured on videos."""
    weights: int
    """Bytes of those that encode frames."""
    device: torch.device
    fallback: Fallback | None = None
    """Why this model searches, where no model was named and it is the shipped one that steps in."""

    _latest: tuple[str, Tensor] | None = None
    """A caption and its vector."""

    @property
    @abstractmethod
    def tower(self) -> VisionTower:
        """Frames to vectors: pixels (B, 3, H, W) to (B, 1, D) float32. Loads the vision encoder."""

    @abstractmethod
    def text(self, caption: str) -> Tensor:
        """A caption's vector, (D,) float32 on the CPU. Loads no vision encoder."""

    def threads(self) -> AbstractContextManager[None]:
        """Has torch compute with as many threads as the encoder is worth, for the block."""
        return threads_for(self.weights, self.device)

    def video_departures(self, source: VideoSource, decoding: DecodingOptions) -> tuple[str, ...] | None:
        """How a video differs from those of the training, as clauses; None where the model does not say.

        Raises:
            VideoUnreadable: no frame can be had of the file.
        """
        return None

    def caption_departures(self, caption: str) -> tuple[str, ...]:
        """How a caption differs from those of the training, likewise; empty where the model does not say."""
        return ()

    def threshold_of(self, options: FindOptions) -> Threshold:
        """The threshold of a search."""
        if options.threshold is not None:
            return Threshold(options.threshold, "option")
        return Threshold(self.threshold, "measured" if self.is_measured else "unmeasured")

    def calibrated(self, products: Tensor) -> Tensor:
        """Probabilities, of the inner products of frames' vectors with a caption's: any shape, float32."""
        return torch.sigmoid(self.scale * products.float() + self.bias)

    def probabilities(self, vectors: Tensor, caption: str) -> Tensor:
        """How likely each frame shows what the caption says.

        Shape:
            vectors: (T, D), in any precision. returns: (T,) float32, 0 to 1.
        """
        return self.calibrated(vectors.float() @ self.vector_of(caption))

    def vector_of(self, caption: str) -> Tensor:
        """What `text` returns; the latest caption is remembered, for the other videos of a search."""
        if self._latest is None or self._latest[0] != caption:
            self._latest = caption, self.text(caption)
        return self._latest[1]
