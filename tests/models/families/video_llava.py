"""LanguageBind/Video-LLaVA-7B-hf. 8 frames; the shorter side becomes 224, the middle 224 x 224 stays: 257
tokens, the class token among them. CLIP's mean and std. Videos' settings are in the file for pictures."""

from __future__ import annotations

from chat_formats import VICUNA
from miniature import CLIP, LLAMA_TOKENS, STEPS, Miniature, clip, vicuna

MINIATURE = Miniature(
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
        "text_config": vicuna(),
        "vision_config": clip(42),  # published: 224
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
    chat_template=VICUNA,
    generation={"bos_token_id": "<s>", "eos_token_id": "</s>", "pad_token_id": "<pad>"},
    placeholder="<video>",
    frame_tokens=10,
    side=42,
    frames=8,
    published=(
        "image_tower.vision_model.",
        "video_tower.vision_model.",
        "multi_modal_projector.",
        "language_model.model.",
        "language_model.lm_head.",
    ),
)
