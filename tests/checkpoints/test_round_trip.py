"""Other projects' weights, converted and asked: the numbers are those of the same tensors put together by
hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assembly
import pytest
import sentencepiece
import torch
from assembly import Read
from conversions import DEMO, TINY, converted
from foreign import TOWER, Weights, llama_weights
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close
from transformers import BertTokenizer

import dynfocus_cli as dynfocus
from dynfocus_cli.options import DecodingOptions, GenerationOptions, SamplingOptions, SelectionOptions
from dynfocus_cli.types import Answer

pytestmark = pytest.mark.slow

QUESTION = "What is the man doing?"
FRAMES, KEYS = 6, 3
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. USER: "
)


@dataclass
class ScoredQuestion:
    """An answer, and what went through the network for it."""

    answer: Answer
    pixels: Tensor
    inputs: Tensor
    logits: Tensor


def ask(folder: Path) -> ScoredQuestion:
    """Asks by the spine, and listens at the network's two ends."""
    model = dynfocus.load(str(folder), device="cpu")
    network = model.model.network
    pixels: list[Tensor] = []
    inputs: list[Tensor] = []

    def seen(_: Any, given: tuple[Tensor, ...]) -> None:
        pixels.append(given[0])

    def prompted(_: Any, args: Any, given: dict[str, Any]) -> None:
        if given.get("inputs_embeds") is not None:
            inputs.append(given["inputs_embeds"])

    hooks = [
        network.vision.embeddings.register_forward_pre_hook(seen),
        network.language_model.register_forward_pre_hook(prompted, with_kwargs=True),
    ]
    options = dynfocus.RunOptions(
        sampling=SamplingOptions(frames=FRAMES),
        selection=SelectionOptions(key_ratio=KEYS / FRAMES),
        generation=GenerationOptions(max_new_tokens=4),
        decoding=DecodingOptions(cache=False),
    )
    answer = model.ask(str(DEMO), QUESTION, options)
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        whole: Any = network.language_model
        logits = whole(inputs_embeds=inputs[0]).logits[0]
    return ScoredQuestion(answer, torch.cat(pixels), inputs[0][0], logits)


def prompt_ids(source: Path) -> tuple[list[int], list[int]]:
    """The pieces ahead of the video and behind it as the release tokenises them, each by itself: by
    sentencepiece with a BOS, of which the second is taken off."""
    words = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    return [1, *words.encode(SYSTEM)], words.encode(f"\n{QUESTION} ASSISTANT:")


def question_ids(vocabulary: Path) -> tuple[list[int], int]:
    """What the Q-Former reads, and how many words it knows: BERT's and [DEC]."""
    words = vocabulary.read_text().split()
    ids: list[int] = BertTokenizer(vocab={word: n for n, word in enumerate(words)})(QUESTION)["input_ids"]
    return ids, len(words) + 1


def read_by_hand(weights: Weights, pixels: Tensor, vocabulary: Path, tower: assembly.Linear) -> Read:
    ids, words = question_ids(vocabulary)
    return assembly.read(
        tower(pixels),
        assembly.qformer(assembly.bert(weights), words),
        weights["model.vlm_att_query"],
        (weights["model.vlm_att_ln.weight"], weights["model.vlm_att_ln.bias"]),
        assembly.linear(weights, "model.vlm_att_projector"),
        ids,
    )


def check(asked: ScoredQuestion, tokens: Tensor, chosen: list[int], expected: Tensor, before: int) -> None:
    frames = asked.answer.evidence.frames
    assert [frame.index for frame in frames if frame.meaningful] == chosen
    assert asked.answer.evidence.tokens.video == len(tokens)
    assert_close(asked.inputs[before : before + len(tokens)], tokens, atol=1e-5, rtol=0)
    assert_close(asked.logits, expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01  # else anything would be close


@pytest.mark.parametrize("layout", ["llama_vid", "inside", "grid", "release", "towerless"])
@torch.no_grad()
def test_logits_are_those_of_the_raw_tensors(layout: str, originals: Any, tmp_path: Path) -> None:
    source, weights = originals[layout]
    tower = assembly.eva_tower(weights)
    vision = None
    if layout == "towerless":
        vision, blip = originals["instructblip"]
        mine = {
            name.removeprefix("vision_model."): t
            for name, t in blip.items()
            if name.startswith("vision_model.")
        }
        tower = assembly.vision_tower(mine, layers=2)
    asked = ask(converted(source, tmp_path / "model", vision=vision))
    found = read_by_hand(weights, asked.pixels, source / "vocab.txt", tower)
    if layout == "release":
        tokens, chosen = assembly.release_tokens(weights, found, KEYS)
    else:
        tokens, chosen = assembly.llama_vid_tokens(weights, found, KEYS, side=2 if layout == "grid" else 1)
    before, after = prompt_ids(source)
    expected = assembly.logits(assembly.language_model(weights, llama_weights()[1]), before, tokens, after)
    check(asked, tokens, chosen, expected, len(before))


@torch.no_grad()
def test_instructblip(originals: Any, tmp_path: Path) -> None:
    """Its tower, Q-Former and Vicuna, and a connector that begins anew."""
    source, weights = originals["instructblip"]
    folder = converted(source, tmp_path / "model")
    asked = ask(folder)
    fresh = load_file(folder / "model.safetensors")
    ids, words = question_ids(source / "qformer_tokenizer" / "vocab.txt")

    def below(prefix: str) -> Weights:
        return {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}

    found = assembly.read(
        assembly.vision_tower(below("vision_model."), layers=2)(asked.pixels),
        assembly.qformer(below("qformer."), words),
        weights["query_tokens"],
        (weights["vision_model.post_layernorm.weight"], weights["vision_model.post_layernorm.bias"]),
        assembly.linear(fresh, "connector.rods.query"),
        ids,
    )
    tokens, chosen = assembly.paper_tokens(fresh, found, KEYS)
    before, after = prompt_ids(source)
    model = assembly.language_model(weights, llama_weights()[1], "language_model.")
    check(asked, tokens, chosen, assembly.logits(model, before, tokens, after), len(before))


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("llama_vid", ["no trained score network: its events are ranked by the Q-Former's attention"]),
        ("release", []),
        ("instructblip", ["not trained yet (connector: random weights)"]),
    ],
)
def test_what_was_not_trained_is_told(layout: str, said: list[str], originals: Any, tmp_path: Path) -> None:
    folder = converted(originals[layout][0], tmp_path / "model")
    every = ask(folder).answer.evidence.warnings
    warnings = [line for line in every if not line.startswith("The answer was cut off")]
    assert len(warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, warnings, strict=True))


def test_where_the_tower_lies_makes_no_difference(originals: Any, tmp_path: Path) -> None:
    inside = load_file(converted(originals["inside"][0], tmp_path / "inside") / "model.safetensors")
    beside = load_file(converted(originals["llama_vid"][0], tmp_path / "beside") / "model.safetensors")
    elsewhere = tmp_path / "eva.pth"
    eva = {
        name.removeprefix(TOWER): t for name, t in originals["inside"][1].items() if name.startswith(TOWER)
    }
    torch.save(eva, elsewhere)
    named = load_file(
        converted(originals["towerless"][0], tmp_path / "named", vision=elsewhere) / "model.safetensors"
    )
    for name in inside:
        assert torch.equal(inside[name], beside[name]), name
        assert torch.equal(inside[name], named[name]), name


def test_files_from_before_torch_1_6(originals: Any, tmp_path: Path) -> None:
    """These cannot be mapped, only read."""
    eva = torch.load(originals["llama_vid"][0] / "eva_vit_g.pth", weights_only=True)
    torch.save(eva, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    old = converted(originals["towerless"][0], tmp_path / "old", vision=tmp_path / "old.pth")
    new = converted(originals["llama_vid"][0], tmp_path / "new")
    expected, found = load_file(new / "model.safetensors"), load_file(old / "model.safetensors")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_our_own_format_stays_what_it_is(tmp_path: Path) -> None:
    folder = converted(TINY, tmp_path / "copy")
    original, copy = dynfocus.load(str(TINY), device="cpu"), dynfocus.load(str(folder), device="cpu")
    expected, found = original.model.network.state_dict(), copy.model.network.state_dict()
    assert expected.keys() == found.keys()
    for name in expected:
        assert torch.equal(expected[name], found[name]), name
    assert copy.model.familiarity is not None
    assert (folder / "retrieval.safetensors").read_bytes() == (TINY / "retrieval.safetensors").read_bytes()
    assert copy.model.config.to_dict() | {"dtype": None} == original.model.config.to_dict() | {"dtype": None}
    assert ask(folder).answer.answer == ask(TINY).answer.answer


def test_an_old_config(originals: Any, tmp_path: Path) -> None:
    """As published in 2023: settings that transformers has forgotten, and -1 for no padding."""
    source = tmp_path / "old"
    shutil.copytree(originals["instructblip"][0], source)
    config = json.loads((source / "config.json").read_text())
    forgotten = {"pruned_heads": {}, "torchscript": False, "tf_legacy_loss": False, "num_beams": 1}
    for part in ("vision_config", "qformer_config", "text_config"):
        config[part] = forgotten | config[part]
    config["text_config"] |= {"pad_token_id": -1, "max_sequence_length": 1024, "rope_scaling": None}
    (source / "config.json").write_text(json.dumps(config))
    model = dynfocus.load(str(converted(source, tmp_path / "model")), device="cpu")
    assert model.model.config.text_config.pad_token_id is None
