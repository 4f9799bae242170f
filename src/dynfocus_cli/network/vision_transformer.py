"""The vision encoder: a ViT (Dosovitskiy et al., ICLR 2021) with EVA's biases (Fang et al., CVPR 2023).

Its tensors have the names of transformers' `InstructBlipVisionModel`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.layers import initialise, merge_heads, split_heads
from dynfocus_cli.network.sizes import ACTIVATIONS, VisionConfig


class VisionTransformer(nn.Module):
    """Frames to patch features."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = PatchEmbeddings(config)
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        initialise(self, config.initializer_range)
        for embedding in (self.embeddings.class_embedding, self.embeddings.position_embedding):
            nn.init.trunc_normal_(embedding, std=config.initializer_range)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.embeddings.class_embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.embeddings.class_embedding.dtype

    def features(self, pixels: Tensor) -> Tensor:
        """Ahead of the final norm, the class token first: (T, 3, H, W) -> (T, 1 + N, D_v)."""
        embedded: Tensor = self.encoder(self.embeddings(pixels))
        return embedded

    def forward(self, pixels: Tensor) -> Tensor:
        """Behind the final norm: (T, 3, H, W) -> (T, 1 + N, D_v)."""
        normed: Tensor = self.post_layernorm(self.features(pixels))
        return normed


class PatchEmbeddings(nn.Module):
    """A class token and a linear map of each patch, each with a learned position."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.class_embedding = nn.Parameter(torch.empty(1, 1, width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch)
        self.position_embedding = nn.Parameter(torch.empty(1, 1 + (config.image_size // patch) ** 2, width))

    def forward(self, pixels: Tensor) -> Tensor:
        """(T, 3, H, W) -> (T, 1 + N, D_v)."""
        patches = self.patch_embedding(pixels.to(self.class_embedding.dtype)).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.class_embedding.expand(len(patches), -1, -1), patches), dim=1)
        return tokens + self.position_embedding


class Encoder(nn.Module):
    """Layer after layer."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        """(T, S, D_v) -> the same."""
        for layer in self.layers:
            x = layer(x)
        return x


class Layer(nn.Module):
    """Attention and an MLP, each behind a norm and added to what came in."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Mlp(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """(T, S, D_v) -> the same."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class SelfAttention(nn.Module):
    """Every token looks at all tokens of its frame."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.hidden_size
        if width % config.num_attention_heads:
            raise ValueError(f"hidden_size {width} is no multiple of {config.num_attention_heads = }")
        self._head_width = width // config.num_attention_heads
        self.qkv = nn.Linear(width, 3 * width, bias=config.qkv_bias)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(T, S, D_v) -> the same."""
        query, key, value = (split_heads(part, self._head_width) for part in self.qkv(x).chunk(3, dim=-1))
        attended: Tensor = self.projection(merge_heads(F.scaled_dot_product_attention(query, key, value)))
        return attended


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self._activation = ACTIVATIONS[config.hidden_act]
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """(T, S, D_v) -> the same."""
        out: Tensor = self.fc2(self._activation(self.fc1(x)))
        return out
