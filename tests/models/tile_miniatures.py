"""SmolVLM2 and InternVL3: each frame stands in the prompt as a picture does.

What is small here is said beside what is published. Where a setting has a token's name in the place of its
id, `miniatures.build` puts the id in.
"""

from __future__ import annotations

import chat_formats
from miniature import HALF, IMAGENET, QWEN_TOKENIZER, STEPS, TEXT, Miniature


def smolvlm() -> Miniature:
    """HuggingFaceTB/SmolVLM2-2.2B-Instruct. 1 frame/s, up to 64 frames. A frame becomes 384 x 384 whatever
    its shape (in the 256M and the 500M: 512 x 512), 81 tokens (64). Mean and std 0.5, Lanczos. Videos'
    settings are in the file for pictures."""
    return Miniature(
        config={
            "architectures": ["SmolVLMForConditionalGeneration"],
            "model_type": "smolvlm",
            "image_token_id": "<image>",
            "pad_token_id": "<|im_end|>",
            "scale_factor": 3,
            "tie_word_embeddings": False,
            "text_config": {
                "model_type": "llama",
                **TEXT,
                "head_dim": 16,
                "rms_norm_eps": 1e-5,
                "rope_theta": 273768.0,
                "pad_token_id": "<|im_end|>",
            },
            "vision_config": {
                "model_type": "smolvlm_vision",
                "hidden_size": 32,
                "image_size": 48,  # published: 384
                "intermediate_size": 48,
                "num_attention_heads": 2,
                "num_hidden_layers": 2,
                "patch_size": 8,  # published: 14, 27 x 27 patches
            },
        },
        image={
            "image_processor_type": "SmolVLMImageProcessor",
            "processor_class": "SmolVLMProcessor",
            **STEPS,
            **HALF,
            "resample": 1,  # Lanczos
            "do_image_splitting": True,
            "do_pad": True,
            "max_image_size": {"longest_edge": 48},
            "size": {"longest_edge": 192},
            "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 48}},
        },
        processor={"image_seq_len": 4, "processor_class": "SmolVLMProcessor"},
        tokenizer_class="GPT2Tokenizer",
        tokens=(
            "<|endoftext|>",
            "<|im_start|>",
            "<|im_end|>",
            "<global-img>",
            "<row_1_col_1>",
            "<fake_token_around_image>",
            "<image>",
            "<end_of_utterance>",
        ),
        tokenizer={
            "bos_token": "<|im_start|>",
            "eos_token": "<end_of_utterance>",
            "pad_token": "<|im_end|>",
            "unk_token": "<|endoftext|>",
            "extra_special_tokens": {
                "end_of_utterance_token": "<end_of_utterance>",
                "fake_image_token": "<fake_token_around_image>",
                "global_image_token": "<global-img>",
                "image_token": "<image>",
            },
        },
        chat_template=chat_formats.SMOLVLM,
        generation={
            "bos_token_id": "<|im_start|>",
            "eos_token_id": "<end_of_utterance>",
            "pad_token_id": "<|im_end|>",
        },
        placeholder="<image>",
        frame_tokens=4,
    )


def internvl() -> Miniature:
    """OpenGVLab/InternVL3-8B-hf. Frames from the middles of equal parts (its makers: 8 to 64). A frame
    becomes 448 x 448 whatever its shape, 256 tokens. ImageNet's mean and std."""
    size = {"height": 48, "width": 48}
    return Miniature(
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
            "size": size,
        },
        video={
            "video_processor_type": "InternVLVideoProcessor",
            "processor_class": "InternVLProcessor",
            **STEPS,
            **IMAGENET,
            "initial_shift": True,
            "size": size,
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
        chat_template=chat_formats.INTERNVL,
        template_file="chat_template.jinja",
        generation={"eos_token_id": "<|im_end|>"},
        placeholder="<IMG_CONTEXT>",
        frame_tokens=9,
    )
