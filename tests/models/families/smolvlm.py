"""HuggingFaceTB/SmolVLM2-2.2B-Instruct. 1 frame/s, up to 64 frames. A frame becomes 384 x 384 whatever
its shape (in the 256M and the 500M: 512 x 512), 81 tokens (64). Mean and std 0.5, Lanczos. Videos'
settings are in the file for pictures."""

from __future__ import annotations

from miniature import HALF, STEPS, TEXT, Miniature

# The published template knows no videos: for a conversation with one the processor has its own template.
CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}"
    "{{ ':' if message.content[0].type == 'image' else ': ' }}"
    "{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}<image>{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

MINIATURE = Miniature(
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
    chat_template=CHAT_TEMPLATE,
    generation={
        "bos_token_id": "<|im_start|>",
        "eos_token_id": "<end_of_utterance>",
        "pad_token_id": "<|im_end|>",
    },
    placeholder="<image>",
    frame_tokens=4,
    side=48,
    tells_times=True,
    more_frames=21,
    before_answer=" ",
    published=("model.vision_model.", "model.connector.", "model.text_model.", "lm_head."),
)
