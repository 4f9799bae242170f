"""Shots: which take of a video a frame belongs to, for its rods to tell.

That a cut is here stands in one frame; how many came before is a sum over all of them. A language model that
has to make that sum by attention says four where there are six: each further cut moves an average by less.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ShotNumbers(nn.Module):
    """A detector of cuts, a running count of those it finds, and an embedding of the count."""

    def __init__(self, width: int, language_width: int, shots: int) -> None:
        """`width` is that of the hidden state that cuts are found in, `language_width` D_l; from the
        `shots`-th shot on all have the last number.

        Raises:
            ValueError: `shots` below 2.
        """
        super().__init__()
        if shots < 2:
            raise ValueError(f"shots are told apart from 2 on, got {shots = }")
        self.cut = nn.Linear(width, 1)
        self.number = nn.Embedding(shots, language_width)
        nn.init.normal_(self.number.weight, std=0.1)

    def forward(self, hidden: Tensor) -> Tensor:
        """What to add to the rods of each frame.

        The count is of whole cuts; its gradient is that of the cuts' probabilities (straight through), by way
        of what the next number would have changed.

        Shape:
            hidden: (B, T, width).
            returns: (B, T, D_l).
        """
        count = self.count(hidden)
        last = self.number.num_embeddings - 1
        here = count.detach().round().long().clamp(max=last)
        number, following = self.number(here), self.number((here + 1).clamp(max=last))
        told: Tensor = number + (count - count.detach()).unsqueeze(-1).to(number.dtype) * (following - number)
        return told

    def count(self, hidden: Tensor) -> Tensor:
        """Cuts from the first frame up to each one. Shape: (B, T, width) -> (B, T) float32."""
        chance = self.cut(hidden).squeeze(-1).float().sigmoid()  # (B, T)
        found = (chance > 0.5).float() + chance - chance.detach()
        return torch.cat((torch.zeros_like(found[:, :1]), found[:, 1:]), dim=1).cumsum(1)
