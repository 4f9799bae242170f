"""What the language model and its connector begin with.

A public model's words and pictures share a space long before it sees a video: it was taught on millions of
captions. In place of those, the connector's first outputs say what the vision stage's heads say of a token's
patches, and the words for these classes begin near them. All other weights are random.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast

from dynfocus_cli.synth.world import POSITIONS, SHAPES
from dynfocus_stock.config import SCALE_FACTOR, VISION_WIDTH
from dynfocus_tiny.labels import COLOR_NAMES
from dynfocus_tiny.vision import DenseHeads

WORD_DEVIATION, VIDEO_DEVIATION = 0.5, 0.6
"""Of the embeddings of words and of video tokens."""
CLASS_GAIN = 0.25
"""Of what a token says of its classes: ten times as much where a thing is as where nothing is."""
LAST_NORM = 0.15
"""The head is tied: without a small norm before it the first logits would be large."""
LOOKING_LAYER, LOOKING_HEADS = 2, 2
"""Whose attention learns to look at what decides an answer."""
HANDED_ON = 0.7
"""Of a class, by each of the two matrices on the way."""
NEARNESS = 3.0
"""What a word's embedding has of its class."""


@torch.no_grad()
def begin_language(network: Any, tokenizer: PreTrainedTokenizerFast, heads: DenseHeads, seed: int) -> None:
    """Sets words, last norm and connector of a random network."""
    torch.manual_seed(seed)
    words = network.get_input_embeddings().weight
    nn.init.normal_(words, std=WORD_DEVIATION)
    nn.init.constant_(network.model.text_model.norm.weight, LAST_NORM)
    for place, word in _class_words(len(heads.shape.weight), len(heads.color.weight)):
        for spelled in (word, f" {word}"):
            ids = tokenizer(spelled, add_special_tokens=False)["input_ids"]
            if len(ids) == 1:
                words[ids[0], place] += NEARNESS
    kinds = [head.weight - head.weight.mean(0) for head in (heads.shape, heads.color, heads.cell)]
    says = torch.cat(kinds)  # (classes, D_v)
    # Features come from a norm: their deviation is about 1.
    says = says / says.norm(dim=1, keepdim=True)
    patches = SCALE_FACTOR**2
    projection = network.model.connector.modality_projection.proj.weight
    nn.init.normal_(projection, std=VIDEO_DEVIATION / (VISION_WIDTH * patches) ** 0.5)
    projection[: len(says)] = CLASS_GAIN * says.repeat(1, patches) / patches**0.5

    _begin_reading(network.model.text_model.layers[LOOKING_LAYER].self_attn, len(says))


def _begin_reading(attention: Any, classes: int) -> None:
    """Has the first heads hand on what a token says of its classes, as it is."""
    width = attention.head_dim
    for place in range(min(classes, width * LOOKING_HEADS)):
        attention.v_proj.weight[place] = 0.0
        attention.v_proj.weight[place, place] = HANDED_ON
        attention.o_proj.weight[:, place] = 0.0
        attention.o_proj.weight[place, place] = HANDED_ON


def _class_words(shapes: int, colors: int) -> list[tuple[int, str]]:
    """Output of the connector -> word; a position's words belong to several."""
    pairs = [*enumerate(SHAPES), *enumerate(COLOR_NAMES, shapes)]
    cells = [name for row in POSITIONS for name in row]
    pairs += [(place, word) for place, name in enumerate(cells, shapes + colors) for word in name.split()]
    return pairs
