"""The language model: a Llama (Touvron et al., 2023), with its cache of keys and values.

Its tensors have the names of transformers' `LlamaForCausalLM`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dynfocus_cli.network.layers import initialise, merge_heads, split_heads
from dynfocus_cli.network.sizes import ACTIVATIONS, LanguageConfig


class KeyValueCache:
    """Keys and values of the tokens that were read, layer by layer."""

    def __init__(self) -> None:
        self._layers: list[tuple[Tensor, Tensor]] = []

    @property
    def length(self) -> int:
        """Tokens that were read."""
        return self._layers[0][0].shape[2] if self._layers else 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds those of new tokens (B, H, S, width), and returns all of the layer's."""
        if layer == len(self._layers):
            self._layers.append((keys, values))
        else:
            before = self._layers[layer]
            self._layers[layer] = torch.cat((before[0], keys), dim=2), torch.cat((before[1], values), dim=2)
        return self._layers[layer]

    def crop(self, length: int) -> None:
        """Forgets all but the first `length` tokens."""
        self._layers = [(keys[:, :, :length], values[:, :, :length]) for keys, values in self._layers]


@dataclass(frozen=True, slots=True)
class LanguageOutput:
    """The result of a pass over some tokens."""

    logits: Tensor
    """(B, S, vocabulary)."""
    attentions: tuple[Tensor, ...]
    """Of each layer (B, H, S, tokens so far); nothing where they were not asked for."""


class LanguageModel(nn.Module):
    """From token ids to the logits of the next token."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        initialise(self, config.initializer_range)
        self.tie()

    def tie(self) -> None:
        """Makes the output layer the word embeddings, where the config says so."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(
        self,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        cache: KeyValueCache | None = None,
        *,
        last_only: bool = False,
        output_attentions: bool = False,
    ) -> LanguageOutput:
        """
        Args:
            cache: of the tokens before these, which are added to it.
            last_only: the logits after the last token alone.

        Shape:
            input_ids: (B, S), or
            inputs_embeds: (B, S, D_l).
        """
        attentions: list[Tensor] | None = [] if output_attentions else None
        if inputs_embeds is None:
            inputs_embeds = self.model.embed_tokens(input_ids)
        hidden = self.model(inputs_embeds, cache, attentions)
        logits = self.lm_head(hidden[:, -1:] if last_only else hidden)
        return LanguageOutput(logits, tuple(attentions or ()))


class Decoder(nn.Module):
    """The language model without its output layer."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(Layer(config, number) for number in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.checkpointing = False
        """Whether training computes a layer's activations twice, to keep none of them."""
        rope = config.rope_parameters
        width = config.head_dim or 0
        # On the CPU, also where the weights are on none as yet.
        steps = torch.arange(0, width, 2, dtype=torch.float, device="cpu") / width
        self._turns = 1.0 / rope["rope_theta"] ** steps / rope.get("factor", 1.0)

    def forward(
        self, x: Tensor, cache: KeyValueCache | None = None, attentions: list[Tensor] | None = None
    ) -> Tensor:
        """Each token sees those before it; those on its right, as padding is, change nothing.

        Args:
            attentions: where the layers' attention is put down, (B, H, S, tokens so far) each.

        Shape:
            x: (B, S, D_l). Returns the same.
        """
        rotation = self._rotation(0 if cache is None else cache.length, x)
        for layer in self.layers:
            if self.checkpointing and self.training:
                x = checkpoint(layer, x, rotation, use_reentrant=False)
            else:
                x = layer(x, rotation, cache, attentions)
        normed: Tensor = self.norm(x)
        return normed

    def _rotation(self, first: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of each position's angles, (S, head width) each (Su et al., RoFormer, 2021)."""
        positions = torch.arange(first, first + x.shape[1], device=x.device).float()
        angles = positions[:, None] * self._turns.to(x.device)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


class Layer(nn.Module):
    """Attention and an MLP, each behind a norm and added to what came in."""

    def __init__(self, config: LanguageConfig, number: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config, number)
        self.mlp = GatedMlp(config)
        self.input_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: KeyValueCache | None = None,
        attentions: list[Tensor] | None = None,
    ) -> Tensor:
        """As `Decoder`."""
        x = x + self.self_attn(self.input_layernorm(x), rotation, cache, attentions)
        return x + self.mlp(self.post_attention_layernorm(x))


class SelfAttention(nn.Module):
    """Attention to oneself and all before; several query heads may share a key."""

    def __init__(self, config: LanguageConfig, number: int) -> None:
        super().__init__()
        self._number = number
        self._head_width = head = config.head_dim or 0
        keys = config.num_key_value_heads or 0
        self._groups = config.num_attention_heads // keys
        width, bias = config.hidden_size, config.attention_bias
        self.q_proj = nn.Linear(width, config.num_attention_heads * head, bias=bias)
        self.k_proj = nn.Linear(width, keys * head, bias=bias)
        self.v_proj = nn.Linear(width, keys * head, bias=bias)
        self.o_proj = nn.Linear(config.num_attention_heads * head, width, bias=bias)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: KeyValueCache | None,
        attentions: list[Tensor] | None,
    ) -> Tensor:
        """As `Decoder`."""
        query = _rotated(split_heads(self.q_proj(x), self._head_width), rotation)
        key = _rotated(split_heads(self.k_proj(x), self._head_width), rotation)
        value = split_heads(self.v_proj(x), self._head_width)
        if cache is not None:
            key, value = cache.extend(self._number, key, value)
        new, whole = query.shape[2], key.shape[2]
        mask = None
        if 1 < new < whole or attentions is not None:
            mask = torch.ones(new, whole, dtype=torch.bool, device=x.device).tril(whole - new)
        if attentions is None:
            attended = F.scaled_dot_product_attention(
                query, key, value, mask, is_causal=new > 1 and mask is None, enable_gqa=self._groups > 1
            )
        else:  # as written out: the fused kinds do not tell their weights
            key, value = (part.repeat_interleave(self._groups, dim=1) for part in (key, value))
            logits = query @ key.transpose(2, 3) * self._head_width**-0.5
            assert mask is not None
            weights = logits.masked_fill(~mask, -torch.inf).softmax(dim=-1, dtype=torch.float32).to(x.dtype)
            attentions.append(weights)
            attended = weights @ value
        out: Tensor = self.o_proj(merge_heads(attended))
        return out


class GatedMlp(nn.Module):
    """An MLP whose inner values are gated (Shazeer, GLU variants improve transformer, 2020)."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        width, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self._activation = ACTIVATIONS[config.hidden_act]
        self.gate_proj = nn.Linear(width, inner, bias=bias)
        self.up_proj = nn.Linear(width, inner, bias=bias)
        self.down_proj = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, D_l) -> the same."""
        out: Tensor = self.down_proj(self._activation(self.gate_proj(x)) * self.up_proj(x))
        return out


class RmsNorm(nn.Module):
    """Division by the root mean square, taken in float32 (Zhang and Sennrich, NeurIPS 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self._eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape that ends in the width."""
        whole = x.float()
        normed = whole * torch.rsqrt(whole.pow(2).mean(-1, keepdim=True) + self._eps)
        return self.weight * normed.to(x.dtype)


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each pair of dimensions i and i + width / 2 by the position's i-th angle: (B, H, S, width)."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine
