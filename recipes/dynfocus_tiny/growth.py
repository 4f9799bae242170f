"""A larger network that computes what a smaller one did: where a wider training begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel

POSITIONS = "vision.embeddings.position_embedding"
LAYER = "vision.encoder.layers.{number}."
COMPARE = "connector.change.compare.weight"
"""Its last columns read the quantiles; new ones begin at zero, so that nothing changes."""
SILENT = ("self_attn.projection.", "mlp.fc2.")
"""What a layer adds to its input comes from these: at zero it adds nothing."""


@torch.no_grad()
def grown(
    model: DynFocusModel,
    *,
    image_size: int,
    layers: int,
    max_frames: int,
    abstention: str | None = None,
    change_quantiles: Sequence[float] | None = None,
) -> DynFocusModel:
    """The network with a larger picture, more vision layers and more frames.

    Positions are interpolated, and a new layer begins as one that adds nothing. Patches stay as large as they
    are, so things look larger than they did. `abstention` is what it is to answer where it cannot tell.
    `change_quantiles` are for a network that looks for change and has none yet; None leaves it as it is.

    Raises:
        ValueError: it has learned from other quantiles.
    """
    known = tuple(model.config.change_quantiles)
    if change_quantiles is None or not model.config.change_window:
        change_quantiles = known
    if known not in ((), tuple(change_quantiles)):
        raise ValueError(f"a network that has learned from the quantiles {known} cannot take others")
    old = model.config.vision_config
    vision = replace(old, image_size=image_size, num_hidden_layers=layers)
    config = replace(
        model.config,
        vision_config=vision,
        max_frames=max_frames,
        abstention=abstention,
        change_quantiles=tuple(change_quantiles),
    )
    larger = DynFocusModel(config)
    state = dict(model.state_dict())
    state[POSITIONS] = _interpolated(state[POSITIONS], image_size // vision.patch_size)
    fresh = larger.state_dict()
    for number in range(old.num_hidden_layers, layers):
        prefix = LAYER.format(number=number)
        for name, value in fresh.items():
            if name.startswith(prefix):
                silent = name.removeprefix(prefix).startswith(SILENT)
                state[name] = torch.zeros_like(value) if silent else value
    if COMPARE in state:
        state[COMPARE] = F.pad(state[COMPARE], (0, fresh[COMPARE].shape[1] - state[COMPARE].shape[1]))
    larger.load_state_dict(state)
    return larger


def _interpolated(positions: Tensor, side: int) -> Tensor:
    """Position embeddings `(1, 1 + n * n, D_v)` for a grid of `side` patches a side."""
    count = round((positions.shape[1] - 1) ** 0.5)
    grid = positions[:, 1:].unflatten(1, (count, count)).permute(0, 3, 1, 2)  # (1, D_v, n, n)
    larger = F.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat((positions[:, :1], larger.flatten(2).transpose(1, 2)), dim=1)
