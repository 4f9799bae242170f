"""Qwen/Qwen3-VL-4B-Instruct. 2 frames/s, 4 to 768 frames. Sides are multiples of 32, all frames together
have 4 096 to 25 165 824 pixels; a pair of frames has H·W/1024 tokens. Mean and std 0.5."""

from __future__ import annotations

from chat_formats import chatml
from miniature import HALF, QWEN_ENDS, QWEN_TOKENIZER, QWEN_TOKENS, QWEN_VISION_IDS, STEPS, TEXT, Miniature

sizes = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
MINIATURE = Miniature(
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
    chat_template=chatml(
        "<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>"
    ),
    generation={**QWEN_ENDS, "do_sample": True, "top_k": 20, "top_p": 0.8, "temperature": 0.7},
    placeholder="<|video_pad|>",
    frame_tokens=4,
    side=64,
    tells_times=True,
    together=2,
    wide=96,
    published=("model.visual.", "model.language_model."),
)
