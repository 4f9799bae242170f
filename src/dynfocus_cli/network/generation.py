"""From video tokens and a question to the answer's token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedTokenizerBase, TextStreamer

from dynfocus_cli.network.attention import attention_to
from dynfocus_cli.network.caching import cached
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.options import GenerationOptions

Listener = Callable[[str], None]
"""Told each piece of an answer's text as it is written; joined, the pieces are the answer."""


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer's tokens."""

    ids: list[int]
    """Without the end mark."""
    attention: Tensor
    """(M,): the share of its attention that each video token was given, see `attention_to`."""


@dataclass(frozen=True, slots=True)
class RankedAnswers:
    """Given answers, each with how likely it is."""

    log_likelihoods: tuple[float, ...]
    """Of each answer with the end mark after it."""
    attention: Tensor
    """(M,), of the likeliest answer."""

    @property
    def best(self) -> int:
        """The likeliest answer's place; of equals the earlier one."""
        return self.log_likelihoods.index(max(self.log_likelihoods))


def generate(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    options: GenerationOptions,
    listener: Listener | None = None,
) -> Completion:
    """The answer's tokens: at temperature 0 the likeliest, else drawn by the seed.

    Shape:
        video_tokens: (M, D_l).
    """
    inputs = _inputs(network, prompt, video_tokens, question, subtitles)
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
            streamer=None if listener is None else Pieces(prompt.tokenizer, listener),
            return_dict_in_generate=True,
            **sampling,
        )
    ids = [token for token in generated.sequences[0].tolist() if token != prompt.tokenizer.eos_token_id]
    cache = generated.past_key_values
    return Completion(ids, attention_to(language_model, cache, inputs, ids, _place(prompt, video_tokens)))


def rank_answers(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    answers: Sequence[str],
) -> RankedAnswers:
    """How likely each of `answers` is.

    Shape:
        video_tokens: (M, D_l).
    """
    inputs = _inputs(network, prompt, video_tokens, question, subtitles)
    cache = DynamicCache()
    model: Any = network.language_model
    last = model(inputs_embeds=inputs, **cached(model, cache)).logits[0, -1]
    ids = [prompt.answer(answer) for answer in answers]
    found = likelihoods(model, cache, last, ids)
    best = ids[found.index(max(found))][:-1]
    return RankedAnswers(found, attention_to(model, cache, inputs, best, _place(prompt, video_tokens)))


def likelihoods(
    model: Any, cache: DynamicCache, last: Tensor, answers: Sequence[Sequence[int]]
) -> tuple[float, ...]:
    """The logarithm of the probability of each of `answers` after what `cache` holds.

    Shape:
        last: (vocabulary,), the logits after the last token that `cache` holds.
        answers: token ids.
    """
    sums: list[float] = []
    for ids in answers:
        given = torch.tensor([ids[:-1]], dtype=torch.int64, device=last.device)
        logits = last.unsqueeze(0)
        if len(ids) > 1:
            logits = torch.cat((logits, model(input_ids=given, **cached(model, cache)).logits[0]))
            cache.crop(-len(given[0]))
        wanted = torch.tensor(ids, dtype=torch.int64, device=last.device).unsqueeze(1)
        sums.append(float(logits.float().log_softmax(dim=-1).gather(1, wanted).sum()))
    return tuple(sums)


def _inputs(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
) -> Tensor:
    """(1, S, D_l): the prompt with the video tokens in their place."""
    embed = network.get_input_embeddings()

    def words(ids: list[int]) -> Tensor:
        return embed(torch.tensor(ids, device=video_tokens.device, dtype=torch.int64))

    text = words(prompt.after_video(question, subtitles))
    return torch.cat((words(prompt.before_video), video_tokens.to(text.dtype), text)).unsqueeze(0)


def _place(prompt: PromptWriter, video_tokens: Tensor) -> slice:
    """Where the video tokens stand in the prompt."""
    first = len(prompt.before_video)
    return slice(first, first + len(video_tokens))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """`generate` draws from the global generators: seeded here, and left as they were found."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class Pieces(TextStreamer):
    """Hands on the text without the blanks at its two ends, as `PromptWriter.read` gives it."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, listener: Listener, skip_prompt: bool = True
    ) -> None:
        super().__init__(tokenizer, skip_prompt=skip_prompt, skip_special_tokens=True)
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
