"""The tokenizer: the words of the world and of SmolVLM's prompt, times as two tokens, bytes for the rest."""

from __future__ import annotations

import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AddedToken, PreTrainedTokenizerFast

from dynfocus_cli.models.families.smolvlm import in_words
from dynfocus_cli.synth.questions import QUESTION_TYPES, ask, observe
from dynfocus_cli.synth.world import write_script

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<global-img>",
    "<fake_token_around_image>",
    "<image>",
    "<end_of_utterance>",
)
FIRST_CLIP, CLIPS = 4_000_000, 300
"""Seeds of the clips whose questions are its text."""
PROMPT = (
    "User: You are provided the following series of {count} frames from a 0:01:00 [H:MM:SS] video.\n"
    "\nFrame from 00:00:\n\n",
    "\nAssistant: 0",
)
VOCABULARY = 1000


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE on prompts, questions and answers; a time `MM:SS` is always two tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(r"\nFrame from| ?\d\d:(?=\d)| ?\d{1,2}| ?\p{L}+|[^\p{L}\d]"), "isolated"
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=[SPECIAL[0]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
    )
    fast.add_tokens([AddedToken(word, special=True, normalized=False) for word in SPECIAL[1:]], True)
    return fast


def _corpus() -> list[str]:
    numbers = [f"{number:02d}" for number in range(60)]
    texts = [text for number in numbers for text in (f"{number}", f"{number}:", f" {number}:")] * 20
    texts += [text.format(count=in_words(count)) for count in range(1, 129) for text in PROMPT] * 2
    for clip in range(CLIPS):
        script = write_script(FIRST_CLIP + clip)
        observed = observe(script, range(script.duration_s))
        drawn = ask(observed, random.Random(clip), 2 * len(QUESTION_TYPES))
        texts += [text for q in drawn for text in (q.question, f" {q.answer}")]
    return texts
