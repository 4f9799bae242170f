"""Small models of all families, written as the published model folders look on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from families import FAMILIES
from miniature import LLAMA_TOKENS, Miniature
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn

SENTENCES = (
    "What happens in the video? A man opens the door and the dog runs out at 12.5 seconds.",
    "You are a helpful assistant. Frame1: Frame2: Frame12: user\nassistant\nsystem\nUser: Assistant:",
    "You are provided the following series of twelve frames from a 0:00:12 [H:MM:SS] video.\n",
    "\nFrame from 00:07:\nFrame from 01:15:\n\nWhat happens then?\n<0.2 seconds><1.2 seconds><37.5 seconds>",
    "USER: What colour is the ball, and who throws it? ASSISTANT: The ball is red; she throws it.",
)
MERGES = 60
"""Enough that text cut in the wrong place gives other tokens."""
PADDED_TO = 64
"""Published vocabularies are wider than their tokenizers."""


def build(family: str, folder: Path, seed: int = 0) -> Path:
    """Writes a whole model folder of random weights; returns it.

    Raises:
        KeyError: no such family.
    """
    # Imported late: whoever only names a family must not wait for it.
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.utils import logging

    miniature = FAMILIES[family]
    folder.mkdir(parents=True, exist_ok=True)
    ids = _write_tokenizer(miniature, folder)
    _write_settings(miniature, ids, folder)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    _draw(model, config.tie_word_embeddings, seed)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    _name_as_published(folder / "model.safetensors", miniature)
    _write_settings(miniature, ids, folder)  # saving has brought two of the files to today's form
    return folder


def _write_tokenizer(miniature: Miniature, folder: Path) -> dict[str, int]:
    """The tokenizer's files; returns special token -> id, and "vocabulary" -> its width in the model."""
    import transformers

    trained = _train(byte_level=miniature.tokenizer_class != "LlamaTokenizer")
    tokenizer = getattr(transformers, miniature.tokenizer_class)(
        vocab=trained["vocab"], merges=[tuple(merge) for merge in trained["merges"]], **miniature.tokenizer
    )
    tokenizer.add_tokens(
        [transformers.AddedToken(token, special=True, normalized=False) for token in miniature.tokens],
        special_tokens=True,
    )
    tokenizer.save_pretrained(folder)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in miniature.tokens}
    return {**ids, "vocabulary": -(-len(tokenizer) // PADDED_TO) * PADDED_TO}


def _train(byte_level: bool) -> dict[str, Any]:
    """A byte-pair model of `SENTENCES`: of bytes, or of letters with bytes to fall back to."""
    tokenizer = Tokenizer(models.BPE())
    if byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=len(alphabet) + MERGES, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        given = [*LLAMA_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256))]
        letters = len(set("".join(SENTENCES)))
        trainer = trainers.BpeTrainer(
            vocab_size=len(given) + letters + MERGES, special_tokens=given, show_progress=False
        )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _write_settings(miniature: Miniature, ids: Mapping[str, int], folder: Path) -> None:
    files = {
        "config.json": miniature.config,
        "generation_config.json": miniature.generation,
        "preprocessor_config.json": miniature.image,
        "video_preprocessor_config.json": miniature.video,
        "processor_config.json": miniature.processor,
    }
    if miniature.template_file == "chat_template.json":
        files["chat_template.json"] = {"chat_template": miniature.chat_template}
    else:
        (folder / miniature.template_file).write_text(miniature.chat_template)
    for name, settings in files.items():
        if settings is not None:
            (folder / name).write_text(json.dumps(_with_ids(settings, ids), indent=2) + "\n")


def _with_ids(settings: Any, ids: Mapping[str, int], name: str = "") -> Any:
    """`settings` with ids in the place of the names of tokens."""
    if isinstance(settings, Mapping):
        return {key: _with_ids(value, ids, key) for key, value in settings.items()}
    if isinstance(settings, list):
        return [_with_ids(value, ids, name) for value in settings]
    named = name.endswith(("_token_id", "_token_index", "vocab_size"))
    return ids[settings] if named and isinstance(settings, str) else settings


def _name_as_published(weights: Path, miniature: Miniature) -> None:
    """transformers saves by the published names, but for a level that CLIP and SigLIP towers once had."""
    if miniature.config["vision_config"].get("model_type") not in (
        "clip_vision_model",
        "siglip_vision_model",
    ):
        return
    tensors = {
        (name.replace("_tower.", "_tower.vision_model.", 1) if "_tower." in name else name): tensor
        for name, tensor in load_file(weights).items()
    }
    save_file(tensors, weights, metadata={"format": "pt"})


def _draw(model: nn.Module, tied: bool, seed: int) -> None:
    """Draws every weight: a layer keeps the spread of its input, and logits are far from alike.

    A head tied to the embeddings would repeat the last token, were the norm before it not of both signs.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if "embed_tokens" in name:
                weight.copy_(noise)
            elif name.endswith("lm_head.weight"):
                weight.copy_(noise * 4 * weight.shape[1] ** -0.5)
            elif any(
                part in name for part in ("position_embedding", "pos_embed", "class_embedding", "cls_token")
            ):
                weight.copy_(noise)
            elif "norm" in name and name.endswith("weight"):
                before_head = tied and name.endswith("language_model.norm.weight")
                weight.copy_(0.6 * noise if before_head else 1 + 0.2 * noise)
            elif "lambda" in name:
                weight.copy_(0.5 + 0.1 * noise)
            elif weight.ndim >= 2:
                gain = 2.0 if "merger" in name or "projector" in name else 1.0
                weight.copy_(noise * gain * weight[0].numel() ** -0.5)
            else:
                weight.copy_(0.1 * noise)
