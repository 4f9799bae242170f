"""The language model at work: it reads a prompt once, and writes on from there.

transformers' `generate` cannot be given tokens that were merged, with positions of their own and with what
some families add in later layers. So the prompt goes straight to the language model, and its cache is written
on, a token at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache

from dynfocus_cli.models.vlm.frames import VideoTokens
from dynfocus_cli.network.caching import cached
from dynfocus_cli.network.generation import Listener, Pieces
from dynfocus_cli.options import GenerationOptions

if TYPE_CHECKING:
    from dynfocus_cli.models.vlm.model import VlmModel


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A language model that has read a prompt."""

    cache: DynamicCache
    logits: Tensor
    """(vocabulary,): of the token that comes next."""
    step: LanguageModel
    text_tokens: int
    """Tokens of the prompt that are not the video's."""


class LanguageModel:
    """Ids in, logits out, from where the prompt ended."""

    def __init__(self, model: VlmModel, length: int, next_position: int) -> None:
        self._network = model.network
        self._reader = model.spec.family.language_model(model.network)
        self._shift = next_position - length
        self._is_3d = model.spec.family.has_3d_positions

    def forward(self, input_ids: Tensor, cache: DynamicCache | None = None, use_cache: bool = True) -> Any:
        """Logits (1, S, vocabulary) after each of `input_ids` (1, S), which the cache then holds."""
        assert cache is not None, "the prompt was read into one"
        first = cache.get_seq_length() + self._shift
        positions = torch.arange(first, first + input_ids.shape[1], device=input_ids.device).unsqueeze(0)
        if self._is_3d:
            positions = positions.expand(3, -1, -1)
        embeddings = self._network.get_input_embeddings()(input_ids)
        hidden = self._reader(
            inputs_embeds=embeddings, position_ids=positions, **cached(self._reader, cache)
        ).last_hidden_state
        return SimpleNamespace(logits=self._network.lm_head(hidden))

    __call__ = forward


@torch.inference_mode()
def read_prompt(model: VlmModel, ids: Tensor, is_video: Tensor, video: VideoTokens) -> ReadPrompt:
    """The prompt through the language model.

    Shape:
        ids: (S,), with placeholders where `is_video` (S,).
    """
    cache = DynamicCache()
    hidden, next_position = read_hidden(model, ids, is_video, video, cache)
    logits: Tensor = model.network.lm_head(hidden[:, -1:])[0, 0]
    step = LanguageModel(model, len(ids), next_position)
    return ReadPrompt(cache, logits, step, len(ids) - len(video.embeddings))


def read_hidden(
    model: VlmModel, ids: Tensor, is_video: Tensor, video: VideoTokens, cache: DynamicCache
) -> tuple[Tensor, int]:
    """The hidden states of a prompt (1, S, D_l), and the position that follows it."""
    spec, network = model.spec, model.network
    family, device = spec.family, spec.device
    reader = family.language_model(network)
    ids, is_video = ids.to(device), is_video.to(device)
    embeddings = network.get_input_embeddings()(ids)  # (S, D_l)
    tokens = video.embeddings.to(device, embeddings.dtype)
    closing = family.closing(network)
    seen = family.embedded(tokens)
    embeddings[is_video] = seen if closing is None else torch.cat((seen, closing.to(seen)))
    positions = family.positions(network, ids, is_video, video)
    if positions is None:
        placed = torch.arange(len(ids), device=device).unsqueeze(0)
        following = len(ids)
    else:
        placed = positions.unsqueeze(1).to(device)
        following = int(positions[0, -1]) + 1  # as `generate` counts on, from the last word
    hidden: Tensor = reader(
        inputs_embeds=embeddings.unsqueeze(0),
        position_ids=placed,
        **cached(reader, cache),
        **family.beside(tokens, is_video.unsqueeze(0)),
    ).last_hidden_state
    return hidden, following


@torch.inference_mode()
def write_on(
    read: ReadPrompt,
    tokenizer: Any,
    ends: Sequence[int],
    options: GenerationOptions,
    listener: Listener | None,
) -> list[int]:
    """The answer's token ids, without the end mark: the likeliest, or drawn by the seed."""
    told = None if listener is None else Pieces(tokenizer, listener, skip_prompt=False)
    draw = torch.Generator().manual_seed(options.seed)
    logits = read.logits
    written: list[int] = []
    while len(written) < options.max_new_tokens:
        if options.temperature > 0:
            odds = (logits.float().cpu() / options.temperature).softmax(dim=-1)
            token = int(torch.multinomial(odds, 1, generator=draw))
        else:
            token = int(logits.argmax())
        if token in ends:
            break
        written.append(token)
        if told is not None:
            told.put(torch.tensor([token]))
        if len(written) < options.max_new_tokens:
            ids = torch.tensor([[token]], device=logits.device)
            logits = read.step(ids, cache=read.cache).logits[0, -1]
    if told is not None:
        told.end()
    return written
