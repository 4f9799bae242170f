"""The Q-Former as BLIP-2's BERT names it, for our `QFormer`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dynfocus_cli.checkpoints.sources.recipe import KeyMap, Recipe, linear
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.sizes import QFormerConfig

HEAD_WIDTH = 64

_ATTENTION = ("query", "key", "value")


def qformer_config(shapes: Mapping[str, tuple[int, ...]], prefix: str, source: str) -> QFormerConfig:
    """The Q-Former's sizes, read off its weights.

    Raises:
        ModelUnavailable: they are no Q-Former's.
    """
    try:
        words, width = shapes[f"{prefix}embeddings.word_embeddings.weight"]
        positions, _ = shapes[f"{prefix}embeddings.position_embeddings.weight"]
        inner, _ = shapes[f"{prefix}encoder.layer.0.intermediate.dense.weight"]
    except (KeyError, ValueError) as error:
        raise ModelUnavailable(f"{source} has no Q-Former: {error} is missing or misshapen.") from error
    if width % HEAD_WIDTH:
        raise ModelUnavailable(f"{source} has no Q-Former: its width {width} is no multiple of {HEAD_WIDTH}.")
    pattern = re.compile(rf"{re.escape(prefix)}encoder\.layer\.(\d+)\.")
    layers = max(int(match[1]) for key in shapes if (match := pattern.match(key))) + 1
    return QFormerConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD_WIDTH,
        intermediate_size=inner,
        max_position_embeddings=positions,
        cross_attention_frequency=2,
        layer_norm_eps=1e-12,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )


def qformer_key_map(prefix: str, layers: int, ours: str = "connector.question_encoder.qformer.") -> KeyMap:
    """Key map of the Q-Former whose keys begin with `prefix`."""
    embeddings = f"{prefix}embeddings."
    recipes = {
        f"{ours}embeddings.{name}.weight": Recipe((f"{embeddings}{name}.weight",))
        for name in ("word_embeddings", "position_embeddings")
    }
    recipes |= linear(f"{ours}embeddings.layernorm", f"{embeddings}LayerNorm")
    for layer in range(layers):
        mine, theirs = f"{ours}encoder.layer.{layer}", f"{prefix}encoder.layer.{layer}"
        attentions = ("attention", "crossattention") if layer % 2 == 0 else ("attention",)
        for attention in attentions:
            for part in _ATTENTION:
                recipes |= linear(f"{mine}.{attention}.attention.{part}", f"{theirs}.{attention}.self.{part}")
            for part in ("dense", "LayerNorm"):
                recipes |= linear(f"{mine}.{attention}.output.{part}", f"{theirs}.{attention}.output.{part}")
        for stream in ("", "_query"):
            recipes |= linear(f"{mine}.intermediate{stream}.dense", f"{theirs}.intermediate{stream}.dense")
            for part in ("dense", "LayerNorm"):
                recipes |= linear(f"{mine}.output{stream}.{part}", f"{theirs}.output{stream}.{part}")
    return KeyMap(recipes, frozenset({f"{embeddings}position_ids"}))
