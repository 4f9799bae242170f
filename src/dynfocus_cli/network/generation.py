"""From video tokens and a question to the answer's token ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dynfocus_cli.network.attention import attention_to
from dynfocus_cli.network.language_model import KeyValueCache, LanguageModel
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.tokenizer import TextTokenizer
from dynfocus_cli.options import GenerationOptions

Listener = Callable[[str], None]
"""Told each piece of an answer's text as it is written; joined, the pieces are the answer."""


@dataclass(frozen=True, slots=True)
class GeneratedTokens:
    """An answer's tokens."""

    ids: list[int]
    """Without the end mark."""
    attention: Tensor
    """(M,): the share of its attention that each video token was given, see `attention_to`."""


@dataclass(frozen=True, slots=True)
class RankedAnswers:
    """Given answers, each with how likely it is."""

    log_likelihoods: tuple[float, ...]
    attention: Tensor
    """(M,), of the likeliest answer."""

    @property
    def best(self) -> int:
        """The likeliest answer's place; of equals the earlier one."""
        return self.log_likelihoods.index(max(self.log_likelihoods))


class ReadPrompt(Protocol):
    """A language model that has read a prompt."""

    @property
    def logits(self) -> Tensor:
        """(vocabulary,), after the prompt."""

    def read_on(self, ids: Tensor) -> Tensor:
        """Reads further tokens (S,), and returns the logits after each: (S, vocabulary)."""

    def forget(self, tokens: int) -> None:
        """Takes back the last tokens."""


@dataclass(frozen=True, slots=True)
class _NativePrompt:
    """The network's own language model, and what it keeps of a prompt."""

    model: LanguageModel
    cache: KeyValueCache
    logits: Tensor

    @classmethod
    def read(cls, model: LanguageModel, inputs: Tensor) -> _NativePrompt:
        """
        Shape:
            inputs: (1, S, D_l).
        """
        cache = KeyValueCache()
        return cls(model, cache, model(inputs_embeds=inputs, cache=cache, last_only=True).logits[0, -1])

    def read_on(self, ids: Tensor) -> Tensor:
        """As `ReadPrompt`."""
        logits: Tensor = self.model(input_ids=ids.unsqueeze(0), cache=self.cache).logits[0]
        return logits

    def forget(self, tokens: int) -> None:
        """As `ReadPrompt`."""
        self.cache.crop(self.cache.length - tokens)


def generate(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    options: GenerationOptions,
    listener: Listener | None = None,
    prefix: str = "",
) -> GeneratedTokens:
    """The answer's tokens: at temperature 0 the likeliest, else drawn by the seed.

    Args:
        prefix: the beginning of the answer, which it goes on from.

    Shape:
        video_tokens: (M, D_l).
    """
    inputs = _inputs(network, prompt, video_tokens, question, subtitles, prefix)
    read = _NativePrompt.read(network.language_model, inputs)
    draw = torch.Generator(inputs.device).manual_seed(options.seed)
    tokenizer = prompt.tokenizer
    ids = write_on(read, tokenizer, {tokenizer.eos_token_id}, options, draw, listener)
    place = _place(prompt, video_tokens)
    return GeneratedTokens(ids, attention_to(network.language_model, read.cache, inputs, ids, place))


def rank_answers(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    answers: Sequence[str],
) -> RankedAnswers:
    """How likely each of `answers` is, with the end mark after it.

    Shape:
        video_tokens: (M, D_l).
    """
    ids = [prompt.answer(answer) for answer in answers]
    return _rank(network, prompt, video_tokens, question, subtitles, ids, "")


def rank_letters(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    letters: Sequence[str],
    prefix: str = "",
) -> RankedAnswers:
    """How likely each of the `letters` of listed options is to come next.

    Args:
        prefix: the beginning of the answer, which it goes on from.

    Shape:
        video_tokens: (M, D_l).
    """
    ids = [[*prompt.option(letter, prefix), prompt.tokenizer.eos_token_id] for letter in letters]
    return _rank(network, prompt, video_tokens, question, subtitles, ids, prefix, end=False)


def _rank(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    ids: Sequence[list[int]],
    prefix: str,
    *,
    end: bool = True,
) -> RankedAnswers:
    """How likely token `ids` are, which have an end mark; `end`: with that mark."""
    inputs = _inputs(network, prompt, video_tokens, question, subtitles, prefix)
    read = _NativePrompt.read(network.language_model, inputs)
    each = likelihoods(read, ids if end else [one[:-1] for one in ids])
    best, place = ids[each.index(max(each))][:-1], _place(prompt, video_tokens)
    return RankedAnswers(each, attention_to(network.language_model, read.cache, inputs, best, place))


@torch.inference_mode()
def write_on(
    read: ReadPrompt,
    tokenizer: TextTokenizer,
    ends: Collection[int],
    options: GenerationOptions,
    draw: torch.Generator,
    listener: Listener | None,
) -> list[int]:
    """The answer's token ids, without the end mark: the likeliest, or above temperature 0 drawn by `draw`."""
    pieces = None if listener is None else Pieces(tokenizer, listener)
    logits, ids = read.logits, list[int]()
    while len(ids) < options.max_new_tokens:
        if options.temperature > 0:
            odds = (logits.float().to(draw.device) / options.temperature).softmax(dim=-1)
            token = int(torch.multinomial(odds, 1, generator=draw))
        else:
            token = int(logits.argmax())
        if token in ends:
            break
        ids.append(token)
        if pieces is not None:
            pieces.add(token)
        if len(ids) < options.max_new_tokens:
            logits = read.read_on(torch.tensor([token], device=logits.device))[-1]
    if pieces is not None:
        pieces.end()
    return ids


def likelihoods(read: ReadPrompt, answers: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """The logarithm of the probability of each of `answers`, token ids, after the prompt."""
    sums: list[float] = []
    for ids in answers:
        tokens = torch.tensor(ids, dtype=torch.int64, device=read.logits.device)
        logits = read.logits.unsqueeze(0)
        if len(ids) > 1:
            logits = torch.cat((logits, read.read_on(tokens[:-1])))  # (S, vocabulary)
            read.forget(len(ids) - 1)
        sums.append(float(logits.float().log_softmax(dim=-1).gather(1, tokens.unsqueeze(1)).sum()))
    return tuple(sums)


def _inputs(
    network: DynFocusModel,
    prompt: PromptWriter,
    video_tokens: Tensor,
    question: str,
    subtitles: Sequence[str],
    prefix: str = "",
) -> Tensor:
    """(1, S, D_l): the prompt with the video tokens in their place."""
    embed = network.get_input_embeddings()

    def words(ids: list[int]) -> Tensor:
        return embed(torch.tensor(ids, device=video_tokens.device, dtype=torch.int64))

    text = words(prompt.after_video(question, subtitles, prefix))
    return torch.cat((words(prompt.before_video), video_tokens.to(text.dtype), text)).unsqueeze(0)


def _place(prompt: PromptWriter, video_tokens: Tensor) -> slice:
    """Where the video tokens stand in the prompt."""
    first = len(prompt.before_video)
    return slice(first, first + len(video_tokens))


class Pieces:
    """Hands on an answer's text as it is written, without the blanks at its two ends."""

    def __init__(self, tokenizer: TextTokenizer, listener: Listener) -> None:
        self._tokenizer, self._listener = tokenizer, listener
        self._ids: list[int] = []
        self._handed_on = 0
        """Letters."""

    def add(self, token: int) -> None:
        """One token more. A letter of which a part is missing as yet waits for it."""
        self._ids.append(token)
        self._hand_on("\ufffd")

    def end(self) -> None:
        """There is no more."""
        self._hand_on(None)

    def _hand_on(self, incomplete: str | None) -> None:
        text = str(self._tokenizer.decode(self._ids, skip_special_tokens=True)).strip()
        text = text.rstrip(incomplete).rstrip() if incomplete else text
        if len(text) > self._handed_on:
            self._listener(text[self._handed_on :])
            self._handed_on = len(text)
