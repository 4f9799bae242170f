"""What the tests are given of the stock code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from videos import QUESTION, Video


@dataclass(frozen=True, slots=True)
class Reference:
    """What the stock processor and the stock model make of a video."""

    folder: Path
    """Of the model."""
    video: Video
    """Its frames, their times, and the length of the source."""
    input_ids: Tensor
    """(S,)."""
    logits: Tensor
    """(S, V), of all positions, float32."""
    generated_ids: Tensor
    """(n,), greedily and without a penalty; with the end mark, if it came."""
    margins: Tensor
    """(n,), how far each was ahead of the next best."""
    pixels: Tensor
    """As the vision tower gets them."""
    position_ids: Tensor | None = None
    """(3, S): time, row and column, in the families that turn by them."""
    question: str = QUESTION

    def count(self, token_id: int) -> int:
        """How often a token stands in the prompt."""
        return int((self.input_ids == token_id).sum())
