"""What a published model folder holds but for weights and vocabulary, and what families have in common.

What is small here is said beside what is published. Where a setting has a token's name in the place of its
id, `miniatures.build` puts the id in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
STEPS = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "rescale_factor": 1 / 255,
    "resample": 3,  # bicubic
}

QWEN_TOKENIZER = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
QWEN_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
QWEN_ENDS = {"eos_token_id": ["<|im_end|>", "<|endoftext|>"], "pad_token_id": "<|endoftext|>"}
QWEN_VISION_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
LLAMA_TOKENS = ("<unk>", "<s>", "</s>")
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "hidden_act": "silu",
    "use_cache": True,
    "vocab_size": "vocabulary",
}


def clip(side: int) -> dict[str, Any]:
    """The vision encoder of LLaVA's families, for frames of `side` pixels."""
    return {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "image_size": side,
        "intermediate_size": 48,
        "num_attention_heads": 2,
        "num_hidden_layers": 3,  # the last but one is looked at
        "patch_size": 14,
        "projection_dim": 32,
    }


def vicuna() -> dict[str, Any]:
    """Their language model."""
    return {
        "model_type": "llama",
        **TEXT,
        "rms_norm_eps": 1e-5,
        "bos_token_id": "<s>",
        "eos_token_id": "</s>",
    }


@dataclass(frozen=True, slots=True)
class Miniature:
    """A model folder, but for its weights and its vocabulary."""

    config: Mapping[str, Any]
    """config.json."""
    image: Mapping[str, Any]
    """preprocessor_config.json."""
    tokenizer_class: str
    tokens: tuple[str, ...]
    """Special ones, in the order of their ids."""
    chat_template: str
    generation: Mapping[str, Any]
    """generation_config.json."""
    placeholder: str
    """The token in whose places the video's features go."""
    frame_tokens: int
    """Placeholders of a square frame of `videos.SIDES`; of two frames, where a model joins pairs."""
    side: int
    """Of a frame at the size that the model takes, in pixels."""
    published: tuple[str, ...]
    """How the names of weights begin in published folders; heads that are tied are left out of them."""
    frames: int = 4
    """Of the usual video."""
    more_frames: int | None = None
    """Of one video more."""
    wide: int | None = None
    """Width of a frame of another shape, where the family takes frames at their own."""
    together: int = 1
    """Frames that the makers' own way encodes as one."""
    tells_times: bool = False
    """Whether the model is told the times of the frames."""
    ending: int = 0
    """Placeholders behind the frames."""
    before_answer: str = ""
    """What an answer begins with."""
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    """More of tokenizer_config.json."""
    video: Mapping[str, Any] | None = None
    """video_preprocessor_config.json, where the published folder has one."""
    processor: Mapping[str, Any] | None = None
    """processor_config.json, where the published folder has one."""
    template_file: str = "chat_template.json"
    """Where the published folder has it; older folders have it as JSON, newer ones as chat_template.jinja."""
