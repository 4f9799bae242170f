"""The number of the shot that a frame belongs to, added to the frame's rods.

One frame shows that there is a cut; how many came before is a sum over all frames. A language model that has
to make that sum by attention says four where there are six: each further cut moves an average by less.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ShotNumbers(nn.Module):
    """A detector of cuts, a running count of those it finds, and an embedding of the count."""

    def __init__(self, width: int, language_width: int, shots: int) -> None:
        """`width` is that of the hidden state that cuts are found in, `language_width` is D_l; all shots from
        the `shots`-th on share one embedding.

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
        slope = (count - count.detach()).unsqueeze(-1).to(number.dtype)  # 0, with the gradient of the count
        result: Tensor = number + slope * (following - number)
        return result

    def count(self, hidden: Tensor) -> Tensor:
        """Cuts from the first frame up to each one. Shape: (B, T, width) -> (B, T) float32."""
        chance = self.cut(hidden).squeeze(-1).float().sigmoid()  # (B, T)
        cuts = (chance > 0.5).float() + chance - chance.detach()
        return torch.cat((torch.zeros_like(cuts[:, :1]), cuts[:, 1:]), dim=1).cumsum(1)
