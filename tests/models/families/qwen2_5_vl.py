"""Qwen/Qwen2.5-VL-7B-Instruct. No sampling of its own (its makers: 2 frames/s, 4 to 768). Sides are
multiples of 28, a frame has 3 136 to 12 845 056 pixels; a pair of frames has H·W/784 tokens. CLIP's mean
and std. It has no file for videos, and its config.json holds the language model's settings at the
root."""

from __future__ import annotations

from chat_formats import chatml
from miniature import CLIP, QWEN_ENDS, QWEN_TOKENIZER, QWEN_TOKENS, QWEN_VISION_IDS, TEXT, Miniature

MINIATURE = Miniature(
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
    chat_template=chatml(
        "<|vision_start|><|image_pad|><|vision_end|>",
        "<|vision_start|><|video_pad|><|vision_end|>",
        system="You are a helpful assistant.",
    ),
    generation={**QWEN_ENDS, "do_sample": True, "repetition_penalty": 1.05, "temperature": 0.000001},
    placeholder="<|video_pad|>",
    frame_tokens=9,
    side=84,
    tells_times=True,
    together=2,
    wide=140,
    published=("visual.", "model.layers.", "model.embed_tokens.", "model.norm.", "lm_head."),
)
