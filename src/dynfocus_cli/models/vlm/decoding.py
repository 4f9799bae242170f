"""The language model at work: it reads a prompt once, and writes on from there.

transformers' `generate` cannot be given tokens that were merged, with positions of their own and with what
some families add in later layers. So the prompt goes straight to the language model, and its cache is written
on, a token at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from dynfocus_cli.models.vlm.caching import cached
from dynfocus_cli.models.vlm.frames import VideoTokens
from dynfocus_cli.models.vlm.spec import VlmSpec


class LanguageReader(Protocol):
    """A model with its weights, as far as its language model is concerned."""

    @property
    def spec(self) -> VlmSpec: ...
    @property
    def network(self) -> Any:
        """One of transformers' `...ForConditionalGeneration`."""


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A language model that has read a prompt."""

    model: LanguageReader
    cache: DynamicCache
    logits: Tensor
    """(vocabulary,): of the token that comes next."""
    shift: int
    """From a token's place to its position."""
    text_tokens: int
    """Tokens of the prompt that are not the video's."""

    def read_on(self, ids: Tensor) -> Tensor:
        """Reads further tokens (S,), and returns the logits after each: (S, vocabulary)."""
        family, network = self.model.spec.family, self.model.network
        first = self.cache.get_seq_length() + self.shift
        positions = torch.arange(first, first + len(ids), device=ids.device).unsqueeze(0)
        if family.has_3d_positions:
            positions = positions.expand(3, -1, -1)
        embeddings = network.get_input_embeddings()(ids.unsqueeze(0))
        reader = family.language_model(network)
        hidden = reader(inputs_embeds=embeddings, position_ids=positions, **cached(reader, self.cache))
        logits: Tensor = network.lm_head(hidden.last_hidden_state)[0]
        return logits

    def forget(self, tokens: int) -> None:
        """Takes back the last tokens."""
        self.cache.crop(-tokens)


@torch.inference_mode()
def read_prompt(model: LanguageReader, ids: Tensor, is_video: Tensor, video: VideoTokens) -> ReadPrompt:
    """The prompt through the language model.

    Shape:
        ids: (S,), with placeholders where `is_video` (S,).
    """
    cache = DynamicCache()
    hidden, next_position = read_hidden(model, ids, is_video, video, cache)
    logits: Tensor = model.network.lm_head(hidden[:, -1:])[0, 0]
    return ReadPrompt(model, cache, logits, next_position - len(ids), len(ids) - len(video.embeddings))


def read_hidden(
    model: LanguageReader, ids: Tensor, is_video: Tensor, video: VideoTokens, cache: DynamicCache
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
