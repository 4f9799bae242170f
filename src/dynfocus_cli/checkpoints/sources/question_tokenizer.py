"""The Q-Former's tokenizer: BERT's, and one word more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import BertTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from dynfocus_cli.checkpoints.folder import part
from dynfocus_cli.errors import ModelUnavailable

FOLDERS = ("question_tokenizer", "qformer_tokenizer", "bert-base-uncased")
"""Folders of it in our own format, in InstructBLIP's and in LLaMA-VID's."""
DECODE = "[DEC]"
"""BLIP-2 adds it: no text has it, and the word embeddings have a row for it."""


def find_question_tokenizer(places: Sequence[Path | None], words: int) -> Path:
    """The folder of the Q-Former's tokenizer, in or below one of `places`.

    Raises:
        ModelUnavailable: there is none, or it has not the `words` that the Q-Former knows.
    """
    for place in places:
        if place is None:
            continue
        for folder in (place, *(place / name for name in FOLDERS)):
            # The tokenizer.json of a model's own folder is the language model's.
            is_models = folder == place and folder != places[0]
            files = ("vocab.txt",) if is_models else ("vocab.txt", "tokenizer.json")
            if any((folder / file).is_file() for file in files):
                return _checked(folder, words)
    raise ModelUnavailable(
        "The Q-Former's tokenizer is missing: put bert-base-uncased's vocab.txt, or the folder "
        f"qformer_tokenizer of Salesforce/instructblip-vicuna-7b, into {places[1] or places[0]}, or name its "
        "folder with `question_tokenizer`."
    )


def load_question_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer, cutting what is too long on the left, as the release does."""
    tokenizer: PreTrainedTokenizerBase
    if (folder / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    else:
        # Not `from_pretrained`: beside another tokenizer's files it reads those.
        words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    if DECODE not in tokenizer.get_vocab():
        tokenizer.add_special_tokens({"bos_token": DECODE})
    tokenizer.truncation_side = "left"
    return tokenizer


def _checked(folder: Path, words: int) -> Path:
    with part(folder, "tokenizer"):
        count = len(load_question_tokenizer(folder))
    if count != words:
        raise ModelUnavailable(
            f"The tokenizer in {folder} has {count} words, {DECODE} included, and the Q-Former knows {words}."
        )
    return folder
