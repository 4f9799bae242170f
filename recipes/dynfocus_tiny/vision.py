"""Stage 1 of the tiny recipe: the vision encoder alone, on single frames with dense labels.

Each patch learns to say which shape and colour covers it and where on the grid that thing stands. The
features stay, frozen, for every later stage; the heads that predict the labels begin the connector's
projectors.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.world import COLORS, DIGITS, SHAPES, Script, Sighting, write_script
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_tiny.frames import DrawWorld, draw_old, film, film_mask
from dynfocus_tiny.labels import CELLS, NOTHING, sighting_label
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.workers import lesson_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dynfocus_cli.network.network import DynFocusModel
    from dynfocus_cli.network.vision_transformer import VisionTransformer

BACKGROUND_WEIGHT = 0.2
"""Most patches are background: without this the loss would be mostly about them."""
DIGIT_WEIGHT = 2.0
"""Digits differ from each other by less than all other shapes do."""
SAVE_EVERY = 250
"""Steps from one checkpoint to the next."""
WEIGHT_DECAY = 0.02
"""Of all stages."""


class DenseHeads(nn.Module):
    """Linear heads on a patch for shape, colour and grid cell; the last class of each is background."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.shape = nn.Linear(width, len(SHAPES) + 1)
        self.color = nn.Linear(width, len(COLORS) + 1)
        self.cell = nn.Linear(width, CELLS + 1)

    def as_linear(self) -> tuple[Tensor, Tensor]:
        """All heads as one affine map of un-normed features, for features of unit variance."""
        weight = torch.cat((self.shape.weight, self.color.weight, self.cell.weight))  # (classes, D_v)
        bias = torch.cat((self.shape.bias, self.color.bias, self.cell.bias))
        return weight * self.norm.weight, bias + weight @ self.norm.bias

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, N, D_v)` -> logits `(B, N, classes)` for shape, colour and cell."""
        normed = self.norm(patches)
        return self.shape(normed), self.color(normed), self.cell(normed)


def patch_features(vision: VisionTransformer, pixels: Tensor) -> Tensor:
    """Patch features without CLS and without the final norm: `(B, 3, H, W)` -> `(B, N, D_v)`."""
    return vision.features(pixels)[:, 1:]


def draw_batch(
    rng: random.Random, batch: int, image_size: int, patch_size: int, draw: DrawWorld = draw_old
) -> tuple[NDArray, NDArray]:
    """Random frames of random clips with the labels of their patches.

    Returns pixels `(B, image_size, image_size, 3)` uint8 and labels `(B, N, 3)` int64: shape, colour, cell.
    """
    frames = np.empty((batch, image_size, image_size, 3), np.uint8)
    labels = np.empty((batch, (image_size // patch_size) ** 2, 3), np.int64)
    for item in range(batch):
        world, look = draw(rng)
        script = write_script(rng.getrandbits(40) | 1 << 41, world=world)
        time_s = _draw_second(script, rng)
        frames[item] = film(script, time_s, look, image_size, rng)
        labels[item] = dense_labels(script.scene_at(time_s).at(time_s), image_size, patch_size, look)
    return frames, labels


def _draw_second(script: Script, rng: random.Random) -> float:
    drawn = rng.random()
    if script.needles and drawn < 0.3:
        return float(rng.choice(script.needles).start_s)
    if drawn < 0.6:
        digits = [a for scene in script.scenes for a in scene.actors if a.thing.shape in DIGITS]
        if digits:
            shown = rng.choice(digits)
            return rng.uniform(shown.start_s, shown.end_s - 0.01)
    return rng.randrange(4 * script.duration_s) / 4


def dense_labels(
    sightings: tuple[Sighting, ...], image_size: int, patch_size: int, look: Look
) -> NDArray[np.int64]:
    """Shape, colour and cell of each patch of a frame: `(N, 3)`."""
    grid = image_size // patch_size
    labels = np.empty((grid * grid, 3), np.int64)
    labels[:] = NOTHING
    best = np.full(grid * grid, 0.08, np.float32)  # less paint than this leaves a patch background
    for seen in sightings:
        mask = film_mask(seen, look, image_size)
        share = mask.reshape(grid, patch_size, grid, patch_size).mean((1, 3)).reshape(-1)
        labels[share > best] = sighting_label(seen)
        best = np.maximum(best, share)
    return labels


def dense_loss(logits: tuple[Tensor, Tensor, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted cross-entropy of the three heads, and the accuracy of each over foreground patches."""
    loss = torch.zeros((), device=labels.device)
    accuracy = []
    for kind, scores in enumerate(logits):
        scores = scores.float()
        background = scores.shape[-1] - 1
        weight = torch.ones(background + 1, device=scores.device)
        weight[background] = BACKGROUND_WEIGHT
        if kind == 0:
            weight[[SHAPES.index(digit) for digit in DIGITS]] = DIGIT_WEIGHT
        target = labels[..., kind]
        loss = loss + F.cross_entropy(scores.flatten(0, 1), target.flatten(), weight=weight)
        shown = target != background
        accuracy.append((scores.argmax(-1) == target)[shown].float().mean())
    return loss, torch.stack(accuracy)


class VisionModel(nn.Module):
    """A vision encoder and its heads: from a batch's number to its loss."""

    def __init__(self, model: DynFocusModel, *, batch: int, seed: int, draw: DrawWorld = draw_old) -> None:
        super().__init__()
        model.requires_grad_(False)
        self.vision = model.vision.requires_grad_(True)
        self.heads = DenseHeads(model.config.vision_config.hidden_size)
        self.accuracy = torch.zeros(3)
        """Of shape, colour and cell, a running mean."""
        self._batch, self._seed, self._draw = batch, seed, draw
        self._sizes = model.config.vision_config.image_size, model.config.vision_config.patch_size
        self._preprocessing = Preprocessing(self._sizes[0], "letterbox")

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number, and from the worker's."""
        rng = lesson_rng(self._seed, number)
        pixels, labels = draw_batch(rng, self._batch, *self._sizes, self._draw)
        with training_precision():
            logits = self.heads(patch_features(self.vision, self._preprocessing(pixels)))
        loss, accuracy = dense_loss(logits, torch.from_numpy(labels))
        self.accuracy = 0.95 * self.accuracy + 0.05 * accuracy
        return loss


class ReadOuts(VisionModel):
    """The heads alone, on an encoder that was trained before."""

    def __init__(self, model: DynFocusModel, *, batch: int, seed: int, draw: DrawWorld = draw_old) -> None:
        super().__init__(model, batch=batch, seed=seed, draw=draw)
        self.vision.requires_grad_(False)

    def forward(self, number: int) -> Tensor:
        self.vision.eval()
        return super().forward(number)


def train_vision(
    folder: Path, model: VisionModel, *, steps: int, seed: int, encoder_share: float = 1.0
) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped.

    `encoder_share` is of the learning rate: less than 1 where the encoder has learned before and the heads
    have not.
    """

    def on_step(step: int, loss: float) -> None:
        if step % 100 == 0:
            shape, color, cell = (round(float(value), 3) for value in model.accuracy)
            add_to_log(folder, step=step, shape=shape, color=color, cell=cell)

    rate_share = partial(warm_cosine, steps=steps, warmup=200)
    schedule = Schedule(steps, 1.5e-3, rate_share, SAVE_EVERY, seed, weight_decay=WEIGHT_DECAY)
    groups = [ParameterGroup([parameter for parameter in model.parameters() if parameter.requires_grad])]
    if encoder_share != 1.0:
        groups = [
            ParameterGroup(list(model.heads.parameters())),
            ParameterGroup(list(model.vision.parameters()), encoder_share),
        ]
    train_model(folder, model, range(steps), groups, schedule, on_step)
