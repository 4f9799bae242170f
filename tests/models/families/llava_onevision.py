"""llava-hf/llava-onevision-qwen2-0.5b-ov-hf. No sampling of its own (its makers: 32 frames). A frame
becomes 384 x 384 whatever its shape, 27 x 27 patches, of which bilinear pooling makes 14 x 14 tokens; one
more token ends the video. Mean and std 0.5."""

from __future__ import annotations

from miniature import HALF, QWEN_TOKENIZER, STEPS, TEXT, Miniature

SIZE = {"height": 42, "width": 42}
# Pictures first, then videos, then text, in whatever order they were said.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content if part.type == 'image' %}<image>\n{% endfor %}"
    "{% for part in message.content if part.type == 'video' %}<video>\n{% endfor %}"
    "{% for part in message.content if part.type == 'text' %}{{ part.text }}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

MINIATURE = Miniature(
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
        "size": SIZE,
    },
    video={"video_processor_type": "LlavaOnevisionVideoProcessor", **STEPS, **HALF, "size": SIZE},
    processor={
        "num_image_tokens": 25,  # published: 729
        "processor_class": "LlavaOnevisionProcessor",
        "vision_aspect_ratio": "anyres_max_9",
        "vision_feature_select_strategy": "full",
    },
    tokenizer_class="Qwen2Tokenizer",
    tokens=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"),
    tokenizer=QWEN_TOKENIZER,
    chat_template=CHAT_TEMPLATE,
    generation={"eos_token_id": "<|im_end|>", "pad_token_id": "<|endoftext|>"},
    placeholder="<video>",
    frame_tokens=9,
    side=42,
    ending=1,
    published=(
        "vision_tower.vision_model.",
        "multi_modal_projector.",
        "image_newline",
        "language_model.model.",
    ),
)
