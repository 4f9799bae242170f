"""A Llama or Vicuna as every checkpoint names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynfocus_cli.checkpoints.sources.recipe import Recipe
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.sizes import LanguageConfig

_NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_KNOWN = (
    *_NEEDED,
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "hidden_act",
    "attention_bias",
    "mlp_bias",
)
_LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj")


def llama_config(
    given: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], source: str
) -> LanguageConfig:
    """The language model's part of a `config.json`. Words beyond the config's, as LLaMA-VID's `<im_patch>`,
    are counted off the weights.

    Raises:
        ModelUnavailable: it does not say how large the network is.
    """
    if missing := [name for name in _NEEDED if not isinstance(given.get(name), int)]:
        raise ModelUnavailable(f"The config.json of {source} does not say {', '.join(missing)}.")
    fields = {name: given[name] for name in _KNOWN if given.get(name) is not None}
    words = shapes.get("model.embed_tokens.weight", shapes.get("language_model.model.embed_tokens.weight"))
    if words is not None:
        fields["vocab_size"] = words[0]
    if isinstance(pad := fields.get("pad_token_id"), int) and not 0 <= pad < fields["vocab_size"]:
        del fields["pad_token_id"]  # as in InstructBLIP's, where -1 says that there is none
    return LanguageConfig.from_dict(fields | {"tie_word_embeddings": False})


def language_model_key_map(prefix: str, head: str, config: LanguageConfig) -> dict[str, Recipe]:
    """Key map of a language model whose keys begin with `prefix`; `head` is its output layer's weight."""
    names = ["embed_tokens.weight", "norm.weight"]
    for layer in range(config.num_hidden_layers):
        names += [f"layers.{layer}.self_attn.{part}.weight" for part in _LINEARS]
        names += [f"layers.{layer}.mlp.{part}_proj.weight" for part in ("gate", "up", "down")]
        names += [f"layers.{layer}.{part}_layernorm.weight" for part in ("input", "post_attention")]
    recipes = {f"language_model.model.{name}": Recipe((f"{prefix}{name}",)) for name in names}
    recipes["language_model.lm_head.weight"] = Recipe((head,))
    return recipes
