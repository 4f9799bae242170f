"""Qwen's two families.

What is small here is said beside what is published. Where a setting has a token's name in the place of its
id, `miniatures.build` puts the id in.
"""

from __future__ import annotations

import chat_formats
from miniature import CLIP, HALF, QWEN_TOKENIZER, STEPS, TEXT, Miniature

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


def qwen3_vl() -> Miniature:
    """Qwen/Qwen3-VL-4B-Instruct. 2 frames/s, 4 to 768 frames. Sides are multiples of 32, all frames together
    have 4 096 to 25 165 824 pixels; a pair of frames has H·W/1024 tokens. Mean and std 0.5."""
    sizes = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
    return Miniature(
        config={
            "architectures": ["Qwen3VLForConditionalGeneration"],
            "model_type": "qwen3_vl",
            **QWEN_VISION_IDS,
            "tie_word_embeddings": True,
            "text_config": {
                "model_type": "qwen3_vl_text",
                **TEXT,
                "num_hidden_layers": 3,
                "head_dim": 16,  # published: 128, of which (24, 20, 20) pairs turn by time, row and column
                "rms_norm_eps": 1e-6,
                "rope_theta": 5000000,
                "rope_scaling": {
                    "mrope_interleaved": True,
                    "mrope_section": [4, 2, 2],
                    "rope_type": "default",
                },
                "bos_token_id": "<|endoftext|>",
                "eos_token_id": "<|im_end|>",
            },
            "vision_config": {
                "model_type": "qwen3_vl",
                "deepstack_visual_indexes": [0, 2],  # published: 5, 11, 17 of 24
                "depth": 4,
                "hidden_act": "gelu_pytorch_tanh",
                "hidden_size": 32,
                "in_channels": 3,
                "intermediate_size": 48,
                "num_heads": 2,
                "num_position_embeddings": 25,  # published: 2304, a grid of 48 x 48
                "out_hidden_size": 64,
                "patch_size": 16,
                "spatial_merge_size": 2,
                "temporal_patch_size": 2,
            },
        },
        image={
            "image_processor_type": "Qwen2VLImageProcessorFast",
            **STEPS,
            **HALF,
            **sizes,
            "size": {"shortest_edge": 65536, "longest_edge": 16777216},
        },
        video={
            "video_processor_type": "Qwen3VLVideoProcessor",
            **STEPS,
            **HALF,
            **sizes,
            "do_sample_frames": True,
            "fps": 2,
            "min_frames": 4,
            "max_frames": 768,
            "size": {"shortest_edge": 4096, "longest_edge": 4 * 64 * 96},
        },
        tokenizer_class="Qwen2Tokenizer",
        tokens=QWEN_TOKENS,
        tokenizer=QWEN_TOKENIZER,
        chat_template=chat_formats.QWEN3_VL,
        generation={**QWEN_ENDS, "do_sample": True, "top_k": 20, "top_p": 0.8, "temperature": 0.7},
        placeholder="<|video_pad|>",
        frame_tokens=4,
    )


def qwen2_5_vl() -> Miniature:
    """Qwen/Qwen2.5-VL-7B-Instruct. No sampling of its own (its makers: 2 frames/s, 4 to 768). Sides are
    multiples of 28, a frame has 3 136 to 12 845 056 pixels; a pair of frames has H·W/784 tokens. CLIP's mean
    and std. It has no file for videos, and its config.json holds the language model's settings at the
    root."""
    return Miniature(
        config={
            "architectures": ["Qwen2_5_VLForConditionalGeneration"],
            "model_type": "qwen2_5_vl",
            **QWEN_VISION_IDS,
            "vision_token_id": "<|vision_pad|>",
            **TEXT,
            "bos_token_id": "<|endoftext|>",
            "eos_token_id": "<|im_end|>",
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0,
            "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},  # published: 16, 24, 24
            "max_window_layers": 2,
            "sliding_window": 32768,
            "use_sliding_window": False,
            "tie_word_embeddings": False,
            "vision_config": {
                "depth": 3,
                "fullatt_block_indexes": [1],  # published: 7, 15, 23, 31 of 32
                "hidden_act": "silu",
                "hidden_size": 32,
                "in_chans": 3,
                "intermediate_size": 48,
                "num_heads": 2,
                "out_hidden_size": 64,
                "patch_size": 14,
                "spatial_merge_size": 2,
                "spatial_patch_size": 14,
                "temporal_patch_size": 2,
                "tokens_per_second": 2,
                "window_size": 56,  # published: 112; here too a frame is no whole number of windows
            },
        },
        image={
            "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2_5_VLProcessor",
            **CLIP,
            "min_pixels": 3136,
            "max_pixels": 84 * 140,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
        },
        tokenizer_class="Qwen2Tokenizer",
        tokens=QWEN_TOKENS,
        tokenizer=QWEN_TOKENIZER,
        chat_template=chat_formats.QWEN2_5_VL,
        generation={**QWEN_ENDS, "do_sample": True, "repetition_penalty": 1.05, "temperature": 0.000001},
        placeholder="<|video_pad|>",
        frame_tokens=9,
    )
