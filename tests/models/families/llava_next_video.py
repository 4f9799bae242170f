"""llava-hf/LLaVA-NeXT-Video-7B-hf. No sampling of its own (its makers: 8 to 32 frames). The shorter side
becomes 336, the middle 336 x 336 stays: 24 x 24 patches, of which means of 2 x 2 make 144 tokens. CLIP's
mean and std."""

from __future__ import annotations

from chat_formats import VICUNA
from miniature import CLIP, LLAMA_TOKENS, STEPS, Miniature, clip, vicuna

PICTURES = {
    **STEPS,
    **CLIP,
    "do_center_crop": True,
    "crop_size": {"height": 56, "width": 56},
    "size": {"shortest_edge": 56},
}
MINIATURE = Miniature(
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
        "text_config": vicuna(),
        "vision_config": clip(56),  # published: 336
    },
    image={
        "image_processor_type": "LlavaNextImageProcessor",
        "processor_class": "LlavaNextVideoProcessor",
        **PICTURES,
        "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]],
    },
    video={"video_processor_type": "LlavaNextVideoVideoProcessor", **PICTURES},
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
    chat_template=VICUNA,
    generation={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"},
    placeholder="<video>",
    frame_tokens=4,
    side=56,
    published=(
        "vision_tower.vision_model.",
        "multi_modal_projector.",
        "image_newline",
        "language_model.model.",
        "language_model.lm_head.",
    ),
)
