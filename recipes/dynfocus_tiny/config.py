"""The sizes of the network of the old world: the paper's with small numbers. `growth.py` enlarges it."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.sizes import LanguageConfig, QFormerConfig, VisionConfig

IMAGE_SIZE, PATCH_SIZE = 64, 8
CONTEXT = 2048


def tiny_config(tokenizer: PreTrainedTokenizerFast) -> DynFocusConfig:
    """The configuration of that network around the tokenizer that `train_tokenizer` makes."""
    vocab_size, ids = len(tokenizer), tokenizer.get_vocab()
    return DynFocusConfig(
        vision_config=VisionConfig(
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=IMAGE_SIZE,
            patch_size=PATCH_SIZE,
            initializer_range=0.02,
        ),
        qformer_config=QFormerConfig(
            vocab_size=vocab_size,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=96,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        ),
        text_config=LanguageConfig(
            vocab_size=vocab_size,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=48,
            # With the usual base of 10,000 only a third of so small a head's dimensions turn slowly enough to
            # compare a question with what stands 400 tokens before it.
            rope_parameters={"rope_type": "default", "rope_theta": 1e7},
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            initializer_range=0.06,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        num_query_tokens=4,
        prototypes=16,
        key_ratio=0.25,
        event_feature="frame_mean",
        scorer="question",
        question_aware_score=True,
        score_hidden_size=128,
        pin_focus=True,
        focus_embedding=True,
        patch_position_scale=1.5,
        slot_embedding=True,
        change_window=2,
        change_shots=32,
        time_encoding="timecode",
        minute_token_ids=[ids[f"{minute:02d}:"] for minute in range(100)],
        second_token_ids=[ids[f"{second:02d}"] for second in range(60)],
        projector_norm=True,
        fps=1.0,
        max_frames=128,
        prompt_template="<video> {question} answer:",
        answer_named_alternative=True,
    )
