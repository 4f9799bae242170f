"""LLaVA's three families.

What is small here is said beside what is published. Where a setting has a token's name in the place of its
id, `miniatures.build` puts the id in.
"""

from __future__ import annotations

from typing import Any

import chat_formats
from miniature import CLIP, HALF, LLAMA_TOKENS, QWEN_TOKENIZER, STEPS, TEXT, Miniature


def _clip(side: int) -> dict[str, Any]:
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


def _vicuna() -> dict[str, Any]:
    return {
        "model_type": "llama",
        **TEXT,
        "rms_norm_eps": 1e-5,
        "bos_token_id": "<s>",
        "eos_token_id": "</s>",
    }


def llava_onevision() -> Miniature:
    """llava-hf/llava-onevision-qwen2-0.5b-ov-hf. No sampling of its own (its makers: 32 frames). A frame
    becomes 384 x 384 whatever its shape, 27 x 27 patches, of which bilinear pooling makes 14 x 14 tokens; one
    more token ends the video. Mean and std 0.5."""
    size = {"height": 42, "width": 42}
    return Miniature(
        config={
            "architectures": ["LlavaOnevisionForConditionalGeneration"],
            "model_type": "llava_onevision",
            "image_grid_pinpoints": [[42, 42], [42, 84], [84, 42], [84, 84]],
            "image_token_index": "<image>",
            "video_token_index": "<video>",
            "projector_hidden_act": "gelu",
            "tie_word_embeddings": False,  # the 0.5B ties them by the language model's own setting
            "use_image_newline_parameter": True,
            "vision_aspect_ratio": "anyres_max_9",
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
            "text_config": {
                "model_type": "qwen2",
                **TEXT,
                "rope_theta": 1000000.0,
                "tie_word_embeddings": True,
                "bos_token_id": "<|endoftext|>",
                "eos_token_id": "<|im_end|>",
            },
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 32,
                "image_size": 42,  # like 384 of 14, 42 is no whole number of patches of 8
                "intermediate_size": 48,
                "num_attention_heads": 2,
                "num_hidden_layers": 2,
                "patch_size": 8,
                "vision_use_head": False,
            },
        },
        image={
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "processor_class": "LlavaOnevisionProcessor",
            **STEPS,
            **HALF,
            "do_pad": True,
            "image_grid_pinpoints": [[42, 42], [42, 84], [84, 42], [84, 84]],
            "size": size,
        },
        video={"video_processor_type": "LlavaOnevisionVideoProcessor", **STEPS, **HALF, "size": size},
        processor={
            "num_image_tokens": 25,  # published: 729
            "processor_class": "LlavaOnevisionProcessor",
            "vision_aspect_ratio": "anyres_max_9",
            "vision_feature_select_strategy": "full",
        },
        tokenizer_class="Qwen2Tokenizer",
        tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"),
        tokenizer=QWEN_TOKENIZER,
        chat_template=chat_formats.LLAVA_ONEVISION,
        generation={"eos_token_id": "<|im_end|>", "pad_token_id": "<|endoftext|>"},
        placeholder="<video>",
        frame_tokens=9,
    )


def video_llava() -> Miniature:
    """LanguageBind/Video-LLaVA-7B-hf. 8 frames; the shorter side becomes 224, the middle 224 x 224 stays: 257
    tokens, the class token among them. CLIP's mean and std. Videos' settings are in the file for pictures."""
    return Miniature(
        config={
            "architectures": ["VideoLlavaForConditionalGeneration"],
            "model_type": "video_llava",
            "image_token_index": "<image>",
            "video_token_index": "<video>",
            "pad_token_id": "<pad>",
            "projector_hidden_act": "gelu",
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "image_seq_length": 9,
            "video_seq_length": 80,
            "tie_word_embeddings": False,
            "text_config": _vicuna(),
            "vision_config": _clip(42),  # published: 224
        },
        image={
            "image_processor_type": "VideoLlavaImageProcessor",
            "processor_class": "VideoLlavaProcessor",
            **STEPS,
            **CLIP,
            "do_center_crop": True,
            "crop_size": {"height": 42, "width": 42},
            "size": {"shortest_edge": 42},
        },
        processor={
            "image_token": "<image>",
            "num_additional_image_tokens": 1,
            "patch_size": 14,
            "processor_class": "VideoLlavaProcessor",
            "video_token": "<video>",
            "vision_feature_select_strategy": "default",
        },
        tokenizer_class="LlamaTokenizer",
        tokens=(*LLAMA_TOKENS, "<image>", "<video>", "<pad>"),
        tokenizer={"add_bos_token": True, "add_eos_token": False, "legacy": False, "pad_token": "<pad>"},
        chat_template=chat_formats.VICUNA,
        generation={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"},
        placeholder="<video>",
        frame_tokens=10,
    )


def llava_next_video() -> Miniature:
    """llava-hf/LLaVA-NeXT-Video-7B-hf. No sampling of its own (its makers: 8 to 32 frames). The shorter side
    becomes 336, the middle 336 x 336 stays: 24 x 24 patches, of which means of 2 x 2 make 144 tokens. CLIP's
    mean and std."""
    clip = {
        **STEPS,
        **CLIP,
        "do_center_crop": True,
        "crop_size": {"height": 56, "width": 56},
        "size": {"shortest_edge": 56},
    }
    return Miniature(
        config={
            "architectures": ["LlavaNextVideoForConditionalGeneration"],
            "model_type": "llava_next_video",
            "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]],
            "image_token_index": "<image>",
            "video_token_index": "<video>",
            "projector_hidden_act": "gelu",
            "spatial_pool_mode": "average",
            "spatial_pool_stride": 2,
            "tie_word_embeddings": False,
            "use_image_newline_parameter": True,
            "vision_feature_layer": -2,
            "vision_feature_select_strategy": "default",
            "text_config": _vicuna(),
            "vision_config": _clip(56),  # published: 336
        },
        image={
            "image_processor_type": "LlavaNextImageProcessor",
            "processor_class": "LlavaNextVideoProcessor",
            **clip,
            "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]],
        },
        video={"video_processor_type": "LlavaNextVideoVideoProcessor", **clip},
        processor={
            "image_token": "<image>",
            "num_additional_image_tokens": 1,
            "patch_size": 14,
            "processor_class": "LlavaNextVideoProcessor",
            "video_token": "<video>",
            "vision_feature_select_strategy": "default",
        },
        tokenizer_class="LlamaTokenizer",
        tokens=(*LLAMA_TOKENS, "<video>", "<image>", "<pad>"),
        tokenizer={"add_bos_token": True, "add_eos_token": False, "legacy": False, "pad_token": "<pad>"},
        chat_template=chat_formats.VICUNA,
        generation={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"},
        placeholder="<video>",
        frame_tokens=4,
    )
