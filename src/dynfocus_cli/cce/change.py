"""Change: how a frame's rods differ from those of the frames around it.

Rods are peripheral vision, and peripheral vision is for what moves. A rod alone says what a frame holds. That
something appears, leaves at once, travels or takes another colour lies between rods, and a language model,
which reads from left to right, cannot tell at a flash that it will be over a second later.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RodChange(nn.Module):
    """Two layers over a rod and its differences to the same rod `1 ... window` frames before and after."""

    def __init__(self, width: int, language_width: int, window: int) -> None:
        """`width` is D_v, `language_width` D_l; `window` counts frames to each side.

        Raises:
            ValueError: `window` below 1.
        """
        super().__init__()
        if window < 1:
            raise ValueError(f"change is seen over at least 1 frame to each side, got {window = }")
        self.window = window
        self.compare = nn.Linear((1 + 2 * window) * width, language_width)
        self.tell = nn.Linear(language_width, language_width, bias=False)
        nn.init.normal_(self.tell.weight, std=0.02)

    def forward(self, rods: Tensor) -> Tensor:
        """What to add to each rod after its projector.

        Beyond a video's ends stand its first and its last frame.

        Shape:
            rods: (B, T, R, D_v), before their projectors.
            returns: (B, T, R, D_l).
        """
        frames = rods.shape[1]
        rods = F.layer_norm(rods, rods.shape[-1:])
        here = torch.arange(frames, device=rods.device)
        steps = (*range(-self.window, 0), *range(1, self.window + 1))
        around = [rods - rods[:, (here + step).clamp(0, frames - 1)] for step in steps]
        told: Tensor = self.tell(F.gelu(self.compare(torch.cat((rods, *around), dim=-1))))
        return told
