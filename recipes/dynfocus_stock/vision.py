"""Stage 1: SmolVLM's vision encoder on single frames with dense labels.

It begins with the encoder of `weights/old-world`, which learned the same way before any rod or key frame was
made of its features; a class token and other colours are what tells the two apart.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.vision_transformer import VisionTransformer
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_stock.config import IMAGE_SIZE, PATCH_SIZE, VISION_WIDTH
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.vision import WEIGHT_DECAY, DenseHeads, dense_loss, draw_batch

PREPROCESSING = Preprocessing(IMAGE_SIZE, "squash", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SAVE_EVERY, BATCH = 100, 32
RATE = 8e-4


def begin_with(vision: nn.Module, tiny: VisionTransformer, colours: Preprocessing) -> None:
    """Takes the encoder of a tiny network, and its colours into the first layer."""
    own: dict[str, Tensor] = {}
    mean, std = torch.tensor(colours.mean), torch.tensor(colours.std)
    patches = tiny.embeddings.patch_embedding
    weight = patches.weight.float()
    # (p - mean) / std with p = (x + 1) / 2, where x are this model's colours.
    own["embeddings.patch_embedding.weight"] = weight * (0.5 / std)[None, :, None, None]
    assert patches.bias is not None
    own["embeddings.patch_embedding.bias"] = patches.bias.float() + (
        weight * ((0.5 - mean) / std)[None, :, None, None]
    ).sum((1, 2, 3))
    own["embeddings.position_embedding.weight"] = tiny.embeddings.position_embedding[0, 1:].float()
    for name, value in tiny.state_dict().items():
        if name.startswith("embeddings."):
            continue
        name = name.replace("self_attn.projection", "self_attn.out_proj")
        if ".qkv." in name:
            for part, piece in zip("qkv", value.float().chunk(3), strict=True):
                own[name.replace("qkv", f"{part}_proj")] = piece
        else:
            own[name] = value.float()
    vision.load_state_dict(own)


def encode(vision: Any, pixels: Tensor) -> Tensor:
    """Features as SmolVLM's connector takes them: (B, 3, H, W) -> (B, N, D_v)."""
    side = pixels.shape[-1] // PATCH_SIZE
    every = torch.ones(len(pixels), side, side, dtype=torch.bool)
    features: Tensor = vision(pixel_values=pixels, patch_attention_mask=every).last_hidden_state
    return features


class VisionModel(nn.Module):
    """The encoder and its heads: from a batch's number to its loss."""

    def __init__(self, vision: nn.Module, seed: int) -> None:
        super().__init__()
        self.vision = vision.requires_grad_(True)
        self.heads = DenseHeads(VISION_WIDTH)
        self.heads.norm = nn.Identity()  # type: ignore[assignment]  # the encoder ends with a norm
        self.accuracy = torch.zeros(3)
        self._seed = seed

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number alone."""
        rng = random.Random(self._seed * 1_000_003 + number)
        pixels, labels = draw_batch(rng, BATCH, IMAGE_SIZE, PATCH_SIZE)
        with training_precision():
            logits = self.heads(encode(self.vision, PREPROCESSING(pixels)))
        loss, accuracy = dense_loss(logits, torch.from_numpy(labels))
        self.accuracy = 0.95 * self.accuracy + 0.05 * accuracy
        return loss


def train_vision(folder: Path, model: VisionModel, steps: int, seed: int) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        if step % 25 == 0:
            shape, color, cell = (round(float(value), 3) for value in model.accuracy)
            add_to_log(folder, step=step, shape=shape, color=color, cell=cell)

    rate_share = partial(warm_cosine, steps=steps, warmup=50)
    schedule = Schedule(steps, RATE, rate_share, SAVE_EVERY, seed, weight_decay=WEIGHT_DECAY)
    train_model(folder, model, range(steps), [ParameterGroup(list(model.parameters()))], schedule, on_step)
