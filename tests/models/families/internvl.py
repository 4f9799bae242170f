"""OpenGVLab/InternVL3-8B-hf. Frames from the middles of equal parts (its makers: 8 to 64). A frame
becomes 448 x 448 whatever its shape, 256 tokens. ImageNet's mean and std."""

from __future__ import annotations

from chat_formats import chatml
from miniature import IMAGENET, QWEN_TOKENIZER, STEPS, TEXT, Miniature

SIZE = {"height": 48, "width": 48}
MINIATURE = Miniature(
    config={
        "architectures": ["InternVLForConditionalGeneration"],
        "model_type": "internvl",
        "downsample_ratio": 0.5,
        "image_seq_length": 9,
        "image_token_id": "<IMG_CONTEXT>",
        "projector_hidden_act": "gelu",
        "tie_word_embeddings": False,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "text_config": {
            "model_type": "qwen2",
            **TEXT,
            "rope_theta": 1000000.0,
            "bos_token_id": "<|endoftext|>",
            "eos_token_id": "<|im_end|>",
        },
        "vision_config": {
            "model_type": "internvl_vision",
            "attention_bias": True,
            "hidden_size": 32,
            "image_size": [48, 48],
            "intermediate_size": 48,
            "norm_type": "layer_norm",
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "patch_size": [8, 8],  # published: 14, 32 x 32 patches
            "use_absolute_position_embeddings": True,
            "use_mean_pooling": True,
            "use_qk_norm": False,
        },
    },
    image={
        "image_processor_type": "GotOcr2ImageProcessorFast",
        "processor_class": "InternVLProcessor",
        **STEPS,
        **IMAGENET,
        "crop_to_patches": False,
        "max_patches": 12,
        "min_patches": 1,
        "size": SIZE,
    },
    video={
        "video_processor_type": "InternVLVideoProcessor",
        "processor_class": "InternVLProcessor",
        **STEPS,
        **IMAGENET,
        "initial_shift": True,
        "size": SIZE,
    },
    processor={"image_seq_length": 9, "processor_class": "InternVLProcessor"},
    tokenizer_class="Qwen2Tokenizer",
    tokens=(
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<img>",
        "</img>",
        "<IMG_CONTEXT>",
        "<video>",
    ),
    tokenizer={
        **QWEN_TOKENIZER,
        "extra_special_tokens": {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    },
    chat_template=chatml("<IMG_CONTEXT>\n", "<video>\n"),
    template_file="chat_template.jinja",
    generation={"eos_token_id": "<|im_end|>"},
    placeholder="<IMG_CONTEXT>",
    frame_tokens=9,
    side=48,
    published=("vision_tower.", "multi_modal_projector.", "language_model.model.", "language_model.lm_head."),
)
