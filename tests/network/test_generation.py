"""How answers are written: in pieces, by likelihood or by the seed, and whatever a checkpoint says of it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from dynfocus_cli.network.generation import Pieces, generate
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.options import GenerationOptions


def written(
    model: DynFocusModel, prompt: PromptWriter, listener=None, **options: float
) -> tuple[list[int], str]:
    tokens = torch.randn(30, model.config.text_config.hidden_size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        answer = generate(model, prompt, tokens, "What is it?", (), GenerationOptions(**options), listener)
    return answer.ids, prompt.read(answer.ids)


def by_hand(model: DynFocusModel, prompt: PromptWriter, count: int) -> list[int]:
    """Greedy decoding written out: the whole text through the language model for each token."""
    embed = model.get_input_embeddings()
    video = torch.randn(30, model.config.text_config.hidden_size, generator=torch.Generator().manual_seed(1))
    ids: list[int] = []
    with torch.inference_mode():
        while len(ids) < count:
            text: list[Tensor] = [
                embed(torch.tensor(prompt.before_video)),
                video,
                embed(torch.tensor([*prompt.after_video("What is it?"), *ids])),
            ]
            logits = model.language_model(inputs_embeds=torch.cat(text).unsqueeze(0)).logits
            token = int(logits[0, -1].argmax())
            if token == prompt.tokenizer.eos_token_id:
                break
            ids.append(token)
    return ids


def test_at_temperature_0_each_token_is_the_likeliest(model: DynFocusModel, prompt: PromptWriter) -> None:
    ids, _ = written(model, prompt, max_new_tokens=12)
    assert ids == by_hand(model, prompt, 12)


def test_above_temperature_0_the_seed_decides(model: DynFocusModel, prompt: PromptWriter) -> None:
    before = torch.get_rng_state()
    drawn = [written(model, prompt, temperature=5.0, seed=seed)[0] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({tuple(ids) for ids in drawn}) == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_the_pieces_are_the_answer(model: DynFocusModel, prompt: PromptWriter) -> None:
    for seed in range(5):
        pieces: list[str] = []
        _, text = written(model, prompt, pieces.append, temperature=5.0, seed=seed, max_new_tokens=20)
        assert "".join(pieces) == text
        assert len(pieces) > 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["", " ", " a", " b ", " "], ["a", " b"]),
        ([" "], []),
        (["  a", "  ", "\n", "b\n"], ["a", "  \nb"]),
    ],
)
def test_blanks_at_the_ends_are_left_out(given: Sequence[str], told: list[str]) -> None:
    pieces: list[str] = []
    words = SimpleNamespace(decode=lambda ids, skip_special_tokens: "".join(given[token] for token in ids))
    streamer = Pieces(words, pieces.append)
    for token in range(len(given)):
        streamer.add(token)
    streamer.end()
    assert pieces == told
