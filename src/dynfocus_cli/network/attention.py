"""Which video tokens an answer attended to: the evidence for what it rests on, rods included."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynfocus_cli.network.language_model import KeyValueCache, LanguageModel

TOKENS = 8
"""Of an answer, so many tokens at its beginning count: at the paper's size their weights take 70 MB."""


@torch.inference_mode()
def attention_to(
    language_model: LanguageModel, cache: KeyValueCache, inputs: Tensor, answer: Sequence[int], video: slice
) -> Tensor:
    """The share of attention that each video token was given while the answer was written: (M,), sum 1.

    The mean over layers, heads and the answer's first tokens, each taken where the token is decided. Only
    these places pass through the network again, over the keys that are kept of all before them.

    Args:
        cache: what the language model keeps of `inputs`, and perhaps of more; it holds other tokens
            afterwards.
        answer: token ids, without the end mark.
        video: where the video tokens stand in `inputs`.

    Shape:
        inputs: (1, S, D_l), the prompt.
    """
    cache.crop(inputs.shape[1] - 1)
    words = torch.tensor([list(answer[:-1][: TOKENS - 1])], dtype=torch.int64, device=inputs.device)
    embedded = language_model.model.embed_tokens(words).to(inputs.dtype)
    places = torch.cat((inputs[:, -1:], embedded), dim=1)  # (1, A, D_l)
    layers = language_model(inputs_embeds=places, cache=cache, output_attentions=True).attentions
    each = torch.stack([layer[0, :, :, video].float().mean((0, 1)) for layer in layers]).mean(0)  # (M,)
    return each / each.sum()
