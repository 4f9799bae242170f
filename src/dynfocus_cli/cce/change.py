"""How a frame differs from the frames around it, added to the frame's rods.

A rod alone says what a frame holds. That something appears, disappears, moves or changes its colour is a
difference between frames, and a language model, which reads from left to right, cannot know at a flash that
it will be over a second later.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.cce.shots import ShotNumbers

KINDS, TRANSIENTS = 3, 5
"""Kinds of change: coming, going, and both. What is seen of them: what has come, is about to go, or flashes
up; what was there before what has come, and will be there after what goes."""
SHARPNESS = 3.0
"""Of the softmax over patches, an inverse of their root mean squared change."""


class RodChange(nn.Module):
    """Two layers over a rod, its differences to the same rod `1 ... window` frames before and after, and the
    frame's transients, with `quantiles` also how strong those beside it are; and the number of the shot,
    where shots are counted."""

    def __init__(
        self, width: int, language_width: int, window: int, shots: int = 0, quantiles: Sequence[float] = ()
    ) -> None:
        """`width` is D_v, `language_width` D_l; `window` counts frames to each side, `shots` is that of
        `ShotNumbers`, 0 without it.

        `quantiles` of the patches' changes tell a cut, which changes most of a picture and stands alone,
        from a large thing that enters: with them the strengths of the frame before and of the one after are
        compared, too.

        Raises:
            ValueError: `window` below 1.
        """
        super().__init__()
        if window < 1:
            raise ValueError(f"change is seen over at least 1 frame to each side, got {window = }")
        self.window, self.quantiles = window, tuple(quantiles)
        self._strengths_from = (1 + 2 * window + TRANSIENTS) * width
        strengths = KINDS * (2 + len(self.quantiles)) * (3 if self.quantiles else 1)
        self.compare = nn.Linear(self._strengths_from + strengths, 2 * language_width)
        self.tell = nn.Linear(2 * language_width, language_width, bias=False)
        nn.init.normal_(self.tell.weight, std=0.05)
        self.shots = ShotNumbers(2 * language_width, language_width, shots) if shots else None

    @property
    def strength_weights(self) -> Tensor:
        """The weights of the first layer that read how strong changes are."""
        return self.compare.weight[:, self._strengths_from :]

    def forward(self, rods: Tensor, patches: Tensor) -> Tensor:
        """What to add to each rod after its projector.

        Shape:
            rods: (B, T, R, D_v), before their projectors, the text-attended one first.
            patches: (B, T, N, D_v).
            returns: (B, T, R, D_l).
        """
        hidden = self._hidden(rods, patches)
        change: Tensor = self.tell(hidden)
        if self.shots is not None:
            change = change + self.shots(_content(hidden)).unsqueeze(2)
        return change

    def count_shots(self, rods: Tensor, patches: Tensor) -> Tensor:
        """How many shots each video has: (B,), whole numbers from 1 on. Shapes as for `forward`.

        Raises:
            ValueError: shots are not counted.
        """
        if self.shots is None:
            raise ValueError("this network does not tell shots apart")
        return 1 + self.shots.count(_content(self._hidden(rods, patches)))[:, -1].round().long()

    def _hidden(self, rods: Tensor, patches: Tensor) -> Tensor:
        """(B, T, R, 2 D_l): each rod beside those around it, and the frame's transients."""
        rods = F.layer_norm(rods, rods.shape[-1:])
        steps = (*range(-self.window, 0), *range(1, self.window + 1))
        around = [rods - beside(rods, step) for step in steps]
        seen, strengths = transients(patches, self.window, self.quantiles)
        if self.quantiles:
            strengths = torch.cat((strengths, beside(strengths, -1), beside(strengths, 1)), dim=-1)
        common = torch.cat((F.layer_norm(seen, seen.shape[-1:]).flatten(2), strengths), dim=-1)
        every = common.to(rods.dtype).unsqueeze(2).expand(-1, -1, rods.shape[2], -1)
        hidden: Tensor = F.gelu(self.compare(torch.cat((rods, *around, every), dim=-1)))
        return hidden


def _content(hidden: Tensor) -> Tensor:
    """What cuts are found in: a cut is where the content becomes another, whatever the first rod was asked to
    look at. Shape: (B, T, R, width) -> (B, T, width)."""
    return hidden[:, :, 1:].mean(2)


def transients(patches: Tensor, window: int, quantiles: Sequence[float] = ()) -> tuple[Tensor, Tensor]:
    """What comes, goes and flashes up in each frame: the patches where most changes, averaged.

    A patch has come as far as it differs from the same patch a frame before, is going as far as it differs
    from the one a frame after, and flashes as far as it differs from both `window` frames before and after.
    What has come took the place of something, and something takes the place of what goes: the same averages
    of the frame before, and of the one after. At a cut they hold what the scene before showed, which no rod
    of this frame does.

    Shape:
        patches: (B, T, N, D_v).
        returns: the averages (B, T, 5, D_v), and strengths (B, T, 3 (2 + Q)): the largest and the mean
            changes of each of the 3 kinds, and their Q quantiles over patches.
    """
    # Video by video and without gathered copies: all of it is bound by memory, and one video fits a cache.
    seen, strengths = zip(*(_transients(video, window, quantiles) for video in patches), strict=True)
    return torch.stack(seen), torch.stack(strengths)


def _transients(patches: Tensor, window: int, quantiles: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Those of one video: (T, N, D_v) -> (T, 5, D_v) and (T, 3 (2 + Q))."""
    near, unchanged = _steps(patches, 1), patches.new_zeros(1, patches.shape[1], dtype=torch.float32)
    came, going = torch.cat((unchanged, near)), torch.cat((near, unchanged))
    far = _steps(patches, window)
    before = torch.cat((_distance(patches[:window], patches[:1]), far))
    after = torch.cat((far, _distance(patches[-window:], patches[-1:])))
    change = torch.stack((came, going, torch.minimum(before, after)), dim=1)  # (T, 3, N)
    share = (SHARPNESS * change).softmax(-1).to(patches.dtype)
    first, last = share[:1, :1] @ patches[:1], share[-1:, 1:2] @ patches[-1:]
    gone = torch.cat((first, share[1:, :1] @ patches[:-1]))
    next_up = torch.cat((share[:-1, 1:2] @ patches[1:], last))
    seen = torch.cat((share @ patches, gone, next_up), dim=1)  # (T, 5, D_v)
    levels = [change.amax(-1), change.mean(-1)]
    if quantiles:
        levels += change.quantile(change.new_tensor(quantiles), dim=-1).unbind()
    return seen, torch.cat(levels, dim=-1)


def beside(frames: Tensor, step: int) -> Tensor:
    """The frame `step` frames later, or earlier, of each; beyond a video's ends stand its first and last.

    Shape:
        frames: (B, T, ...). Returns the same.
    """
    count = frames.shape[1]
    return frames[:, (torch.arange(count, device=frames.device) + step).clamp(0, count - 1)]


def _steps(patches: Tensor, step: int) -> Tensor:
    """How far each patch is from the same one `step` frames later: (T, N, D_v) -> (T - step, N)."""
    return _distance(patches[step:], patches[: max(0, len(patches) - step)])


def _distance(patches: Tensor, others: Tensor) -> Tensor:
    """Root mean squared difference of each patch to the same one of another frame: (T, N), float32."""
    difference = patches.float() - others.float()
    return torch.linalg.vector_norm(difference, dim=-1) * patches.shape[-1] ** -0.5
