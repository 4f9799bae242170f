"""Stored in fewer bits: those that transformers makes on loading, in never more memory than they take."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import foreign
import pytest
import torch
from conversions import DEMO, TINY, converted
from safetensors.torch import load_file
from torch import Tensor
from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

import dynfocus_cli as dynfocus
from dynfocus_cli.checkpoints import shards
from dynfocus_cli.checkpoints.describe import describe
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.models.open import load_model
from dynfocus_cli.options import DecodingOptions, GenerationOptions, SamplingOptions

pytestmark = pytest.mark.slow

LANGUAGE = "language_model."


def on_load(folder: Path, kind: str) -> dict[str, Tensor]:
    """What transformers makes of full weights. Not by way of `load_model`, which then goes on to order 4-bit
    weights as the CPU reads them."""
    settings: dict[str, Any] = {"load_in_8bit": True}
    if kind == "nf4":
        settings = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": torch.float32,
        }
    full = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    words = json.loads((folder / "config.json").read_text())["text_config"]
    network: Any = LlamaForCausalLM.from_pretrained(
        None,
        config=LlamaConfig(**{name: value for name, value in words.items() if name != "model_type"}),
        state_dict={name.removeprefix(LANGUAGE): t for name, t in full.items() if name.startswith(LANGUAGE)},
        dtype=torch.float32,
        device_map={"": "cpu"},
        quantization_config=BitsAndBytesConfig(**settings, llm_int8_skip_modules=["lm_head"]),
    )
    language = {f"{LANGUAGE}{name}": tensor for name, tensor in network.state_dict().items()}
    return {name: tensor for name, tensor in full.items() if not name.startswith(LANGUAGE)} | language


@pytest.mark.parametrize("kind", ["nf4", "int8"])
@pytest.mark.parametrize("layout", ["llama_vid", "release", "instructblip"])
def test_the_same_bits_as_on_loading(layout: str, kind: str, originals: Any, tmp_path: Path) -> None:
    source, _ = originals[layout]
    full = converted(source, tmp_path / "full")
    stored = load_file(converted(source, tmp_path / kind, kind) / "model.safetensors")
    expected = on_load(full, kind)
    assert stored.keys() == expected.keys()
    assert any(name.endswith(".absmax" if kind == "nf4" else ".SCB") for name in stored)
    for name, tensor in stored.items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_what_is_stored_is_what_runs(kind: str, originals: Any, tmp_path: Path) -> None:
    source, _ = originals["llama_vid"]
    full, folder = converted(source, tmp_path / "full"), converted(source, tmp_path / kind, kind)
    ours, theirs = load_model(str(folder), "cpu"), load_model(str(full), "cpu", kind)
    assert ours.info.quantization == theirs.info.quantization == kind
    inputs = torch.randn(1, 5, foreign.LANGUAGE)
    with torch.no_grad():
        found, expected = (
            model.network.language_model(inputs_embeds=inputs).logits for model in (ours, theirs)
        )
    assert torch.equal(found, expected)
    options = dynfocus.RunOptions(
        sampling=SamplingOptions(frames=4),
        generation=GenerationOptions(max_new_tokens=3),
        decoding=DecodingOptions(cache=False),
    )
    answer = dynfocus.load(str(folder), device="cpu").ask(str(DEMO), "What is it?", options)
    assert 1 <= answer.evidence.tokens.generated <= 3


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_large_model_in_halves(kind: str, originals: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """bfloat16 beside the quantized layers, and these quantized from the source's own precision."""
    monkeypatch.setattr(shards, "SMALL_BYTES", 0)
    stored = load_file(converted(originals["release"][0], tmp_path / kind, kind) / "model.safetensors")
    monkeypatch.undo()
    small = load_file(converted(originals["release"][0], tmp_path / "small", kind) / "model.safetensors")
    codes = {torch.uint8, torch.int8}
    for name, tensor in stored.items():
        if tensor.dtype in codes and not name.endswith("bitsandbytes__nf4"):
            assert torch.equal(tensor, small[name]), name
            assert name.startswith("language_model.model.layers."), name
    kept = ("vision.", "connector.", "language_model.lm_head.", "language_model.model.embed_tokens.")
    assert {tensor.dtype for name, tensor in stored.items() if name.startswith(kept)} == {torch.bfloat16}
    config = json.loads((tmp_path / kind / "config.json").read_text())
    assert config["dtype"] == "bfloat16"
    assert load_model(str(tmp_path / kind), "cpu").info.quantization == kind


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantizing_ours(kind: str, tmp_path: Path) -> None:
    folder = converted(TINY, tmp_path / kind, kind)
    stored, expected = load_file(folder / "model.safetensors"), on_load(TINY, kind)
    tied = {"language_model.lm_head.weight", "language_model.model.embed_tokens.weight"}
    assert stored.keys() - tied == expected.keys() - tied
    for name in stored.keys() - tied:
        assert torch.equal(stored[name].to(expected[name].dtype), expected[name]), name
    assert describe(kind, folder).quantization == kind
    assert describe(kind, folder).bytes < describe("dynfocus-tiny", TINY).bytes


def test_twice_is_refused(tmp_path: Path) -> None:
    folder = converted(TINY, tmp_path / "once", "nf4")
    with pytest.raises(ModelUnavailable, match="quantized already: convert what it was made of"):
        converted(folder, tmp_path / "twice", "int8")


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_loading_has_no_full_precision_peak(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The peak of a process beyond what it took before, against what the weights take in float32."""
    large = LlamaConfig(
        hidden_size=768,
        intermediate_size=2304,
        num_hidden_layers=6,
        num_attention_heads=12,
        num_key_value_heads=12,
        vocab_size=foreign.WORDS,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
    )
    monkeypatch.setattr(foreign, "LANGUAGE", 768)
    monkeypatch.setattr(foreign, "llama_weights", lambda: (foreign.random_llama(large, 5), large))
    foreign.write_llama_vid(tmp_path / "source")
    folder = converted(tmp_path / "source", tmp_path / "large", kind)
    quantized = sum(6 * size for size in (4 * 768 * 768, 3 * 768 * 2304))
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    code = """
        import sys
        from pathlib import Path
        from dynfocus_cli.models.open import load_model
        def resident(name):
            lines = Path("/proc/self/status").read_text().splitlines()
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))
        load_model(sys.argv[1], "cpu")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = resident("VmRSS:")
        load_model(sys.argv[2], "cpu")
        print(resident("VmHWM:") - before)
    """
    small = converted(TINY, tmp_path / "tiny", kind)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(small), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 2 * quantized  # half of what float32 takes
