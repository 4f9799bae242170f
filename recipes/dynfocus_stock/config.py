"""The sizes of the model, and the files of its folder as SmolVLM's makers publish them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast, SmolVLMConfig, SmolVLMForConditionalGeneration

IMAGE_SIZE, PATCH_SIZE, SCALE_FACTOR = 64, 8, 2
FRAME_TOKENS = (IMAGE_SIZE // PATCH_SIZE // SCALE_FACTOR) ** 2
VISION_WIDTH, TEXT_WIDTH, LAYERS, HEADS = 128, 128, 4, 4
CONTEXT = 8192
CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{{ ':' if message.content[0].type == 'image' else ': ' }}"
    "{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}<image>{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def stock_config(tokenizer: PreTrainedTokenizerFast) -> SmolVLMConfig:
    """SmolVLM's config with small numbers."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in tokenizer.all_special_tokens}
    ids["<image>"] = tokenizer.convert_tokens_to_ids("<image>")
    settings: dict[str, Any] = {
        "image_token_id": ids["<image>"],
        "pad_token_id": ids["<|im_end|>"],
        "scale_factor": SCALE_FACTOR,
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "llama",
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 2 * TEXT_WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "head_dim": TEXT_WIDTH // HEADS,
            "rms_norm_eps": 1e-5,
            # As in the tiny network: by the usual base too few dimensions of so small a head turn slowly.
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "max_position_embeddings": CONTEXT,
            "vocab_size": len(tokenizer),
            "initializer_range": 0.06,
            "bos_token_id": ids["<|im_start|>"],
            "eos_token_id": ids["<end_of_utterance>"],
            "pad_token_id": ids["<|im_end|>"],
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "model_type": "smolvlm_vision",
            "hidden_size": VISION_WIDTH,
            "image_size": IMAGE_SIZE,
            "intermediate_size": 384,
            "num_attention_heads": 4,
            "num_hidden_layers": 4,
            "patch_size": PATCH_SIZE,
            "hidden_act": "gelu",
        },
    }
    return SmolVLMConfig(**settings)


def write_folder(
    out: Path, network: SmolVLMForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Writes the model folder, with weights in the network's dtype."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    network.save_pretrained(out)
    files: dict[str, dict[str, Any]] = {
        "preprocessor_config.json": {
            "image_processor_type": "SmolVLMImageProcessor",
            "processor_class": "SmolVLMProcessor",
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "do_image_splitting": True,
            "do_pad": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "rescale_factor": 1 / 255,
            "resample": 1,
            "max_image_size": {"longest_edge": IMAGE_SIZE},
            "size": {"longest_edge": 4 * IMAGE_SIZE},
            "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": IMAGE_SIZE}},
        },
        "processor_config.json": {"image_seq_len": FRAME_TOKENS, "processor_class": "SmolVLMProcessor"},
        "chat_template.json": {"chat_template": CHAT_TEMPLATE},
    }
    for name, settings in files.items():
        (out / name).write_text(json.dumps(settings, indent=2) + "\n")
    for written in out.iterdir():
        written.chmod(0o644)
