"""Small dual encoders of pictures and text, written as the published folders look on disk."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from miniature import CLIP, HALF, STEPS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SENTENCES = (
    "What is the man in the red coat doing? he throws a ball to the dog.",
    "a photo of a dog on the beach, running after a ball",
    "Who opens the door at 08:00, and what colour is the car in front of the house?",
    "two people are talking in a kitchen while the kettle boils",
)
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**TEXT, "patch_size": 8, "num_channels": 3}
GEMMA_TOKENS = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
CLIP_TOKENS = ("<|startoftext|>", "<|endoftext|>")


def siglip(folder: Path) -> dict[str, Any]:
    """google/siglip-base-patch16-224; published: 224 pixels, patches of 16, T5's vocabulary of 32 000."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([sentence.lower() for sentence in SENTENCES]),
        model_writer=written,
        vocab_size=48,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(written.getvalue())
    _write(
        folder / "tokenizer_config.json",
        {
            "do_lower_case": True,
            "eos_token": "</s>",
            "model_input_names": ["input_ids"],
            "model_max_length": 64,
            "pad_token": "</s>",
            "tokenizer_class": "SiglipTokenizer",
            "unk_token": "<unk>",
        },
    )
    return _siglip_settings(folder, "siglip", 48, {"image_size": 32})


def siglip2(folder: Path) -> dict[str, Any]:
    """google/siglip2-base-patch16-224, which says that it is a SigLIP, with Gemma's tokenizer of 256 000."""
    return _siglip_settings(folder, "siglip", _gemma_tokenizer(folder), {"image_size": 32})


def naflex(folder: Path) -> dict[str, Any]:
    """google/siglip2-base-patch16-naflex: up to 256 patches of 16 pixels, positions of a grid of 16."""
    config = _siglip_settings(folder, "siglip2", _gemma_tokenizer(folder), {"num_patches": 9})
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Siglip2ImageProcessor",
            **STEPS,
            **HALF,
            "resample": 2,
            "patch_size": 8,
            "max_num_patches": 16,
        },
    )
    return config


def clip(folder: Path) -> dict[str, Any]:
    """openai/clip-vit-large-patch14: the two towers have different widths, and are projected to 768."""
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer = normalizers.Lowercase()
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(letters) + 40,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    trained.train_from_iterator(SENTENCES, trainer)
    model = json.loads(trained.to_str())["model"]
    words = [*model["vocab"], *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*words, *CLIP_TOKENS]))}
    _write(folder / "vocab.json", vocabulary)
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    _write(
        folder / "tokenizer_config.json",
        {
            "bos_token": CLIP_TOKENS[0],
            "eos_token": CLIP_TOKENS[1],
            "model_max_length": 77,
            "pad_token": CLIP_TOKENS[1],
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": CLIP_TOKENS[1],
        },
    )
    _write(
        folder / "preprocessor_config.json",
        {
            "crop_size": 24,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            **CLIP,
            "resample": 3,
            "size": 24,
        },
    )
    ids = {"bos_token_id": vocabulary[CLIP_TOKENS[0]], "eos_token_id": vocabulary[CLIP_TOKENS[1]]}
    return {
        "model_type": "clip",
        "projection_dim": 20,
        "text_config": {
            "model_type": "clip_text_model",
            **TEXT,
            **ids,
            "pad_token_id": ids["eos_token_id"],
            "max_position_embeddings": 77,
            "vocab_size": len(vocabulary),
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            **VISION,
            "hidden_size": 48,
            "image_size": 24,
        },
    }


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    kind.__name__: kind for kind in (siglip, siglip2, naflex, clip)
}


def build(kind: str, folder: Path) -> Path:
    """Writes a whole folder of random weights; returns it.

    Raises:
        KeyError: no such kind.
    """
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    folder.mkdir(parents=True, exist_ok=True)
    config = KINDS[kind](folder)
    _write(folder / "config.json", config)
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if "embedding" in name and "patch" not in name:
                weight.copy_(noise)
            elif weight.ndim >= 2:
                weight.copy_(noise * 2 * weight[0].numel() ** -0.5)
            else:
                weight.add_(0.1 * noise)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    _write(folder / "config.json", config)  # saving has brought it to today's form
    return folder


def _siglip_settings(folder: Path, model_type: str, words: int, vision: dict[str, int]) -> dict[str, Any]:
    side = vision.get("image_size")
    _write(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "SiglipImageProcessor",
            **STEPS,
            **HALF,
            "size": {"height": side, "width": side},
        },
    )
    return {
        "model_type": model_type,
        "text_config": {
            "model_type": f"{model_type}_text_model",
            **TEXT,
            "vocab_size": words,
            "bos_token_id": 2,  # published as those of CLIP, and not used
            "eos_token_id": 1,
            "max_position_embeddings": 64,
        },
        "vision_config": {"model_type": f"{model_type}_vision_model", **VISION, **vision},
    }


def _gemma_tokenizer(folder: Path) -> int:
    """Gemma's kind of tokenizer as SigLIP 2 has it; returns how many words it knows."""
    from transformers import GemmaTokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    given = [*GEMMA_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=len(given) + 100, special_tokens=given, show_progress=False)
    trained.train_from_iterator(SENTENCES, trainer)
    model = json.loads(trained.to_str())["model"]
    tokenizer = GemmaTokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=64,
        model_input_names=["input_ids"],
    )
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def _write(path: Path, settings: dict[str, Any]) -> None:
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
