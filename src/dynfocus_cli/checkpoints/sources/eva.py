"""EVA ViT-g as LAVIS and LLaMA-VID name it, for our `VisionTransformer`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from dynfocus_cli.checkpoints.sources.recipe import KeyMap, Recipe, linear
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.sizes import VisionConfig

LAYERS = 39
"""The file has 40 blocks; LAVIS builds 39 (`create_eva_vit_g`)."""
HEAD_WIDTH = 88

_UNUSED = re.compile(r"(norm|fc_norm|head|lm_head)\.|mask_token$|rope\.|.*relative_position_index$")
"""What the encoder's own heads are made of."""


def eva_config(shapes: Mapping[str, tuple[int, ...]], prefix: str, source: str) -> VisionConfig:
    """The tower's sizes, read off its weights.

    Raises:
        ModelUnavailable: they are no EVA tower's.
    """
    try:
        _, positions, width = shapes[f"{prefix}pos_embed"]
        _, _, patch, _ = shapes[f"{prefix}patch_embed.proj.weight"]
        inner = shapes[f"{prefix}blocks.0.mlp.fc1.weight"][0]
    except (KeyError, ValueError) as error:
        raise ModelUnavailable(
            f"{source} is no EVA vision tower: {error} is missing or misshapen."
        ) from error
    side = round((positions - 1) ** 0.5)
    if width % HEAD_WIDTH or side * side != positions - 1:
        raise ModelUnavailable(
            f"{source} is no EVA vision tower: {positions} positions of width {width}, where a square grid, "
            f"a class token and heads of {HEAD_WIDTH} are needed."
        )
    return VisionConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=min(_blocks(shapes, prefix), LAYERS),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=side * patch,
        patch_size=patch,
        layer_norm_eps=1e-6,
    )


def eva_key_map(
    shapes: Mapping[str, tuple[int, ...]], prefix: str, layers: int, ours: str = "vision."
) -> KeyMap:
    """Key map of the tower whose keys begin with `prefix`."""
    recipes = {
        f"{ours}embeddings.class_embedding": Recipe((f"{prefix}cls_token",)),
        f"{ours}embeddings.position_embedding": Recipe((f"{prefix}pos_embed",)),
        **linear(f"{ours}embeddings.patch_embedding", f"{prefix}patch_embed.proj"),
    }
    for layer in range(layers):
        mine, theirs = f"{ours}encoder.layers.{layer}", f"{prefix}blocks.{layer}"
        for part, its in {"layer_norm1": "norm1", "layer_norm2": "norm2", "mlp.fc1": "mlp.fc1"}.items():
            recipes |= linear(f"{mine}.{part}", f"{theirs}.{its}")
        recipes |= linear(f"{mine}.mlp.fc2", f"{theirs}.mlp.fc2")
        recipes |= linear(f"{mine}.self_attn.projection", f"{theirs}.attn.proj")
        recipes |= linear(f"{mine}.self_attn.qkv", f"{theirs}.attn.qkv", bias=False)
        biases = (f"{theirs}.attn.q_bias", f"{theirs}.attn.v_bias")
        recipes[f"{mine}.self_attn.qkv.bias"] = Recipe(biases, _qkv_bias)
    beyond = re.compile(rf"blocks\.({'|'.join(map(str, range(layers, LAYERS + 1)))})\.") if layers else None
    dropped = frozenset(
        key
        for key in shapes
        if key.startswith(prefix)
        and (_UNUSED.match(key.removeprefix(prefix)) or (beyond and beyond.match(key.removeprefix(prefix))))
    )
    # The norm behind the last layer is never asked for: DynFocus takes the features ahead of it.
    fresh = frozenset(f"{ours}post_layernorm.{part}" for part in ("weight", "bias"))
    return KeyMap(recipes, dropped, fresh)


def _qkv_bias(q: Tensor, v: Tensor) -> Tensor:
    """EVA's keys have no bias."""
    return torch.cat((q, torch.zeros_like(q), v))


def _blocks(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    numbers = [
        int(match[1]) for key in shapes if (match := re.match(rf"{re.escape(prefix)}blocks\.(\d+)\.", key))
    ]
    return max(numbers, default=-1) + 1
