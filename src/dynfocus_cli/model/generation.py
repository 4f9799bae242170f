"""From video tokens and a question to the answer's token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, TextStreamer

from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.types import GenerationOptions

Listener = Callable[[str], None]
"""Told each piece of an answer's text as it is written; joined, the pieces are the answer."""


def generate(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    options: GenerationOptions,
    listener: Listener | None = None,
) -> list[int]:
    """The answer's token ids, without the end mark: at temperature 0 the likeliest, else drawn by the seed.

    Shape:
        video_tokens: (M, D_l).
    """
    embed = network.get_input_embeddings()

    def words(ids: list[int]) -> Tensor:
        return embed(torch.tensor(ids, device=video_tokens.device, dtype=torch.int64))

    text = words(prompt.after_video(question, subtitles))
    inputs = torch.cat((words(prompt.before_video), video_tokens.to(text.dtype), text)).unsqueeze(0)
    language_model: Any = network.language_model  # transformers' annotations do not let it be called
    # A checkpoint's own generation settings (LLaMA-VID's has a temperature) must not decide here.
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if options.temperature > 0:
        sampling |= {"do_sample": True, "temperature": options.temperature, "top_p": 1.0, "top_k": 0}
    with _seeded(options.seed, inputs.device):
        # With `inputs_embeds` and no ids, `generate` returns the new tokens alone.
        generated = language_model.generate(
            inputs_embeds=inputs,
            attention_mask=torch.ones(inputs.shape[:2], dtype=torch.int64, device=inputs.device),
            max_new_tokens=options.max_new_tokens,
            eos_token_id=prompt.tokenizer.eos_token_id,
            pad_token_id=prompt.tokenizer.pad_token_id,
            streamer=None if listener is None else _Pieces(prompt.tokenizer, listener),
            **sampling,
        )
    ids: list[int] = generated[0].tolist()
    return [token for token in ids if token != prompt.tokenizer.eos_token_id]


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """`generate` draws from the global generators: seeded here, and left as they were found."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class _Pieces(TextStreamer):
    """Hands on the text without the blanks at its two ends, as `PromptWriter.read` gives it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, listener: Listener) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._listener = listener
        self._blank: str | None = None
        """Blanks that count if more text follows; None before the first word."""

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if self._blank is None:
            text = text.lstrip()
        told = text.rstrip()
        if told:
            self._listener((self._blank or "") + told)
            self._blank = ""
        if self._blank is not None:
            self._blank += text[len(told) :]
