"""Brings the vision encoder's features to a scale on which density peaks tell things from background.

S-DPC makes a centre of the patch whose density exp(-d) times delta is largest. The scale of d is the
encoder's, and in training for labels features grow. At a variance of 39 density alone decided: centres stood
in the background, and each of a frame's 16 prototypes mixed what there was. A thing 13 to 18 pixels wide was
a twelfth of its purest prototype, and is four tenths of it on this scale (`benchmarks/purity.py`). After 900
further lessons the text-attended rod told shape, colour and place of a thing in 92 % of the frames, where it
had told 76 %.
"""

from __future__ import annotations

import random

import torch
from torch import nn

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.vision_transformer import Layer
from dynfocus_tiny.frames import DrawWorld
from dynfocus_tiny.vision import draw_batch, patch_features

DEVIATION = 1.8
"""Standard deviation of features over their width: purities are alike from 0.6 to 1.8, and `RodChange`, whose
sharpness is fixed, looks the more closely the larger it is."""
FRAMES = 64
"""From which the deviation is measured."""
NEIGHBOURS = (3, 3)
"""The nearest patches that the density looks at, for each level: a small thing covers few."""


@torch.no_grad()
def deviation(model: DynFocusModel, preprocessing: Preprocessing, draw: DrawWorld, seed: int) -> float:
    """The features' standard deviation over their width, on frames of the training's world."""
    config = model.config.vision_config
    rng = random.Random(f"{seed} scale")
    pixels, _ = draw_batch(rng, FRAMES, config.image_size, config.patch_size, draw)
    return float(patch_features(model.vision, preprocessing(pixels)).var(-1).mean().sqrt())


@torch.no_grad()
def divide_features(model: DynFocusModel, divisor: float) -> None:
    """Has the vision encoder give its features divided by `divisor`, and all else multiply them again.

    What is added to the residual stream is divided, which the layers' norms undo. Apart from the prototypes,
    which density peaks choose otherwise now, and from the sharpness of `RodChange` nothing becomes another.
    """
    embeddings, connector = model.vision.embeddings, model.connector
    assert connector.coarse is not None, "the miniature has the paper's projectors"
    residual_writers = [*embeddings.parameters()]
    for layer in model.vision.encoder.layers:
        assert isinstance(layer, Layer)
        residual_writers += [*layer.self_attn.projection.parameters(), *layer.mlp.fc2.parameters()]
    for parameter in residual_writers:
        parameter.div_(divisor)
    feature_readers = [connector.rods.key, connector.fine[0], connector.coarse[0]]
    for reader in feature_readers:  # all others, the Q-Former among them, begin with a norm
        assert isinstance(reader, nn.Linear)
        reader.weight *= divisor
    if connector.change is not None:
        strengths = connector.change.strength_weights
        strengths *= divisor
    model.config.patch_position_scale /= divisor
    model.config.spatial_neighbours = NEIGHBOURS
