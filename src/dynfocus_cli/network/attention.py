"""Which video tokens an answer looked at: the evidence for what it rests on, rods included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from dynfocus_cli.network.caching import cached

TOKENS = 8
"""Of an answer, the first ones are asked: at the paper's size their weights take 70 MB."""


@torch.inference_mode()
def attention_to(
    language_model: Any, cache: DynamicCache, inputs: Tensor, answer: Sequence[int], video: slice
) -> Tensor:
    """The share of attention that each video token was given while the answer was written: (M,), sum 1.

    The mean over layers, heads and the answer's first tokens, each taken where the token is decided. Only
    these places pass through the network again, over the keys that are kept of all before them.

    Args:
        cache: what the language model keeps of `inputs`, and perhaps of more; it holds less afterwards.
        answer: token ids, without the end mark.
        video: where the video tokens stand in `inputs`.

    Shape:
        inputs: (1, S, D_l), the prompt.
    """
    cache.crop(inputs.shape[1] - 1 - cache.get_seq_length())
    words = torch.tensor([list(answer[:-1][: TOKENS - 1])], dtype=torch.int64, device=inputs.device)
    embed = language_model.get_input_embeddings()
    places = torch.cat((inputs[:, -1:], embed(words).to(inputs.dtype)), dim=1)  # (1, A, D_l)
    with _weights_kept(language_model):
        layers = language_model(inputs_embeds=places, output_attentions=True, **cached(language_model, cache))
    given = torch.stack([layer[0, :, :, video].float().mean((0, 1)) for layer in layers.attentions])
    each = given.mean(0)  # (M,)
    return each / each.sum()


@contextmanager
def _weights_kept(language_model: Any) -> Iterator[None]:
    """Attention as written out: the fused kinds do not tell their weights."""
    usual = language_model.config._attn_implementation
    language_model.set_attn_implementation("eager")
    try:
        yield
    finally:
        language_model.set_attn_implementation(usual)
