"""The network's three transformers against the classes whose weights they take, on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    DynamicCache,
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from dynfocus_cli.models.vlm.caching import cached
from dynfocus_cli.network.language_model import KeyValueCache, LanguageModel
from dynfocus_cli.network.qformer import MultiHead, QFormer
from dynfocus_cli.network.sizes import LanguageConfig, QFormerConfig, VisionConfig
from dynfocus_cli.network.vision_transformer import VisionTransformer

LANGUAGE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}


def llamas(**changes: Any) -> tuple[Any, LanguageModel]:
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**LANGUAGE, **changes)).eval()
    ours = LanguageModel(LanguageConfig.from_dict(LANGUAGE | changes)).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 2},
        {"head_dim": 12, "attention_bias": True, "mlp_bias": True},
        {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ],
)
@torch.inference_mode()
def test_language_model(changes: dict[str, Any]) -> None:
    theirs, ours = llamas(**changes)
    kept, cache = DynamicCache(), KeyValueCache()
    inputs = torch.randn(1, 20, 32)
    expected, found = theirs(inputs_embeds=inputs, **cached(theirs, kept)), ours(None, inputs, cache)
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=1e-6)
    for count in (1, 5, 1):
        ids = torch.randint(0, 50, (1, count))
        torch.testing.assert_close(
            ours(ids, cache=cache).logits, theirs(ids, **cached(theirs, kept)).logits, rtol=0, atol=1e-6
        )
    cache.crop(20)
    kept.crop(-7)
    theirs.set_attn_implementation("eager")
    places = torch.randn(1, 3, 32)
    expected = theirs(inputs_embeds=places, output_attentions=True, **cached(theirs, kept)).attentions
    found = ours(None, places, cache, output_attentions=True).attentions
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@torch.inference_mode()
def test_padding_on_the_right_changes_nothing() -> None:
    theirs, ours = llamas()
    inputs, mask = torch.randn(2, 9, 32), torch.ones(2, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    expected = theirs.model(inputs_embeds=inputs, attention_mask=mask).last_hidden_state[mask.bool()]
    torch.testing.assert_close(ours.model(inputs)[mask.bool()], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_vision_encoder(bias: bool) -> None:
    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
    sizes |= {"image_size": 28, "patch_size": 7, "qkv_bias": bias, "initializer_range": 0.02}
    torch.manual_seed(0)
    theirs = InstructBlipVisionModel(InstructBlipVisionConfig(**sizes)).eval()
    ours = VisionTransformer(VisionConfig(**sizes)).eval()
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(3, 3, 28, 28)
    torch.testing.assert_close(ours(pixels), theirs(pixels).last_hidden_state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [2, 4])  # the fewer are folded
@pytest.mark.parametrize("asked", ["nothing", "all", "padded"])
@torch.inference_mode()
def test_qformer(asked: str, count: int) -> None:
    theirs, ours = qformers()
    queries, patches = torch.randn(2, count, 24), torch.randn(2, 9, 16)
    words, mask, whole = None, None, None
    if asked != "nothing":
        words, mask = torch.randint(0, 60, (2, 6)), torch.ones(2, 6, dtype=torch.int64)
        mask[1, 3:] = int(asked == "all")
        whole = torch.cat((torch.ones(2, count, dtype=torch.int64), mask), dim=1)
    expected = theirs(
        input_ids=words, attention_mask=whole, query_embeds=queries, encoder_hidden_states=patches
    ).last_hidden_state[:, :count]
    torch.testing.assert_close(ours(queries, patches, words, mask), expected, rtol=0, atol=1e-6)


def qformers() -> tuple[Any, QFormer]:
    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3}
    sizes |= {"vocab_size": 60, "max_position_embeddings": 20, "encoder_hidden_size": 16}
    torch.manual_seed(0)
    theirs = InstructBlipQFormerModel(InstructBlipQFormerConfig(**sizes)).eval()
    ours = QFormer(QFormerConfig(**sizes)).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@torch.inference_mode()
def test_frames_that_share_a_question_are_read_as_with_copies_of_it() -> None:
    _, ours = qformers()
    queries, patches, row = torch.randn(2, 4, 24), torch.randn(5, 9, 16), torch.tensor([0, 0, 0, 1, 1])
    words, mask = torch.randint(0, 60, (2, 6)), torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    shared = ours(queries, patches, words, mask, row)
    torch.testing.assert_close(shared, ours(queries[row], patches, words[row], mask[row]), rtol=0, atol=1e-6)


def test_a_folded_attention_has_the_gradients_and_the_dropout_of_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    layer = MultiHead(QFormerConfig(hidden_size=24, num_attention_heads=3, encoder_hidden_size=16), 16)
    nn.init.normal_(layer.value.bias)
    asking, source = torch.randn(2, 2, 24), torch.randn(2, 9, 16)
    results = []
    for folded in (4, 10**6):
        monkeypatch.setattr("dynfocus_cli.network.qformer.FOLDED", folded)
        layer.zero_grad()
        layer.eval()(asking, source, None).square().sum().backward()
        results.append([layer.query.weight.grad, layer.key.weight.grad, layer.value.weight.grad])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr("dynfocus_cli.network.qformer.FOLDED", 4)
    layer.train()
    mean = torch.stack([layer(asking, source, None) for _ in range(3000)]).mean(0)
    torch.testing.assert_close(mean, layer.eval()(asking, source, None), rtol=0, atol=0.05)
