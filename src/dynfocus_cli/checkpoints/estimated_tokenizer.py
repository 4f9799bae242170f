"""Estimates how many tokens a text is, in place of the tokenizer of a model that is not here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dynfocus_cli.checkpoints.entries import ModelEntry
from dynfocus_cli.checkpoints.size import readable

LETTERS_A_TOKEN = 4
"""Of a word; tokenizers of 32,000 words and more rarely take fewer."""

TEMPLATE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n"
"""A chat as most families write it, up to the answer's beginning; the others' are shorter."""

CAVEAT = (
    "{name} is not here, so this is planned by its published sizes, and tokens of text are estimated: "
    "`dynfocus models pull {name}` fetches it ({size})."
)

_PIECES = re.compile(r"<\|?[A-Za-z_-]+\|?>|[a-z]+|[A-Z][a-z]*|\d|[^\sA-Za-z\d]|\n")


def not_here(entry: ModelEntry) -> str:
    """The caveat of a plan for a model that is still to be fetched."""
    return CAVEAT.format(name=entry.name, size=readable(entry.download_bytes))


class EstimatedTokenizer:
    """Counts marks, digits and signs as a token each, words by their letters, and any other letter by itself.

    Args:
        placeholder: the word that stands for a video token.
        mark: what the chat template writes for a video.
    """

    bos_token = None
    unk_token_id = None
    eos_token_id = 2

    def __init__(self, placeholder: str = "", mark: str = "") -> None:
        self.all_special_tokens = [placeholder]
        self._placeholder, self._mark = placeholder, mark

    def convert_tokens_to_ids(self, word: str) -> int:
        """1 for the placeholder, else 0."""
        return int(word == self._placeholder)

    def get_added_vocab(self) -> dict[str, int]:
        """None."""
        return {}

    def apply_chat_template(self, conversation: Sequence[Any], **_: Any) -> str:
        """The mark and the text of the first turn, as a chat template would join them."""
        content = conversation[0]["content"]
        return TEMPLATE.format(self._mark + "".join(part.get("text", "") for part in content))

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        ids: list[int] = []
        for piece in _PIECES.findall(text):
            count = -(-len(piece) // LETTERS_A_TOKEN) if piece.isalpha() else 1
            ids += [self.convert_tokens_to_ids(piece)] * count
        return {"input_ids": ids}
