"""The tiny model's tokenizer: whole words of its world, times as two tokens, bytes for the rest."""

from __future__ import annotations

import random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dynfocus_cli.synth.questions import QUESTION_TYPES, ask, observe
from dynfocus_cli.synth.world import write_script
from dynfocus_tiny.wordings import TRAINING

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
CORPUS_CLIPS = 1500


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE on generated questions and answers; `MM:SS` is always the tokens `MM:` and `SS`."""
    times = [f"{number:02d}{mark}" for mark in (":", "") for number in range(100)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d\d:|\d{1,2}| ?\p{L}+|[^\p{L}\d]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1400,
        min_frequency=2,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*(times * 50), *_corpus(seed)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    missing = [time for time in times if tokenizer.token_to_id(time) is None]
    if missing:
        raise ValueError(f"the vocabulary is too small to hold every time: {missing[:5]} are missing")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD)


def _corpus(seed: int) -> list[str]:
    texts = []
    for clip in range(CORPUS_CLIPS):
        script = write_script(2_000_000 + seed * CORPUS_CLIPS + clip)
        drawn = ask(
            observe(script, range(script.duration_s)),
            random.Random(clip),
            2 * len(QUESTION_TYPES),
            wordings=TRAINING,
        )
        texts += [text for q in drawn for text in (f" {q.question} answer:", f" {q.answer}")]
    return texts
