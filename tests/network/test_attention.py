"""What an answer attended to: against one pass over the whole text with all weights written out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from dynfocus_cli.network.attention import TOKENS
from dynfocus_cli.network.generation import generate, rank_answers
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.options import GenerationOptions

QUESTION, COUNT = "What is it?", 30


def video_tokens(model: DynFocusModel) -> torch.Tensor:
    return torch.randn(
        COUNT, model.config.text_config.hidden_size, generator=torch.Generator().manual_seed(1)
    )


def by_hand(model: DynFocusModel, prompt: PromptWriter, answer: Sequence[int]) -> torch.Tensor:
    """Share of each video token, from the attention matrices of prompt and answer together."""
    embed = model.get_input_embeddings()
    before, after = prompt.before_video, prompt.after_video(QUESTION)
    parts = (embed(torch.tensor(before)), video_tokens(model), embed(torch.tensor([*after, *answer])))
    inputs = torch.cat(parts).unsqueeze(0)
    layers = model.language_model(inputs_embeds=inputs, output_attentions=True).attentions
    last = len(before) + COUNT + len(after) - 1
    rows = torch.stack(layers)[
        :, 0, :, last : last + max(1, min(len(answer), TOKENS))
    ]  # (layers, heads, A, S)
    video = rows[..., len(before) : len(before) + COUNT].mean((0, 1, 2))
    return video / video.sum()


@pytest.mark.parametrize("length", [1, 3, TOKENS, TOKENS + 5])
@torch.inference_mode()
def test_a_written_answer(model: DynFocusModel, prompt: PromptWriter, length: int) -> None:
    options = GenerationOptions(max_new_tokens=length, temperature=5.0, seed=3)
    answer = generate(model, prompt, video_tokens(model), QUESTION, (), options)
    assert len(answer.ids) == length
    torch.testing.assert_close(
        answer.attention, by_hand(model, prompt, answer.ids[:TOKENS]), rtol=1e-4, atol=1e-6
    )


@torch.inference_mode()
def test_the_likeliest_of_given_answers(model: DynFocusModel, prompt: PromptWriter) -> None:
    answers = ("a red circle", "no", "00:12")
    ranked = rank_answers(model, prompt, video_tokens(model), QUESTION, (), answers)
    assert ranked.log_likelihoods[ranked.best] == max(ranked.log_likelihoods)
    expected = by_hand(model, prompt, prompt.answer(answers[ranked.best])[:-1])
    torch.testing.assert_close(ranked.attention, expected, rtol=1e-4, atol=1e-6)
