"""From video tokens and a question to the answer's token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.types import GenerationOptions


def generate(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    options: GenerationOptions,
) -> list[int]:
    """Greedy decoding of the answer's token ids, without the end mark.

    Shape:
        video_tokens: (M, D_l).
    """
    embed = network.get_input_embeddings()

    def words(ids: list[int]) -> Tensor:
        return embed(torch.tensor(ids, device=video_tokens.device, dtype=torch.int64))

    text = words(prompt.after_video(question, subtitles))
    inputs = torch.cat((words(prompt.before_video), video_tokens.to(text.dtype), text)).unsqueeze(0)
    language_model: Any = network.language_model  # transformers' annotations do not let it be called
    # With `inputs_embeds` and no ids, `generate` returns the new tokens alone.
    generated = language_model.generate(
        inputs_embeds=inputs,
        attention_mask=torch.ones(inputs.shape[:2], dtype=torch.int64, device=inputs.device),
        max_new_tokens=options.max_new_tokens,
        do_sample=False,
        eos_token_id=prompt.tokenizer.eos_token_id,
        pad_token_id=prompt.tokenizer.pad_token_id,
    )
    ids: list[int] = generated[0].tolist()
    return [token for token in ids if token != prompt.tokenizer.eos_token_id]
