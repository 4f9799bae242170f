"""A model folder's tokenizer: text to token ids and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import tokenizers

FILES = ("tokenizer.json", "tokenizer_config.json")


class TextTokenizer(Protocol):
    """What prompts are written with: a `Tokenizer`, or one of transformers'."""

    eos_token_id: Any

    def __call__(self, *text: Any, **how: Any) -> Any:
        """As `Tokenizer`."""

    def decode(self, *token_ids: Any, **how: Any) -> Any:
        """As `Tokenizer`."""

    def save_pretrained(self, *folder: Any, **how: Any) -> Any:
        """As `Tokenizer`."""


class Tokenizer:
    """A `tokenizer.json` with its marks, read by the library `tokenizers` alone.

    transformers gives the same ids, and takes as long to import as everything else together.
    """

    def __init__(self, folder: Path, truncation_side: str = "right") -> None:
        """
        Raises:
            OSError, ValueError: a file cannot be read, or the end mark is no word.
            Exception: the library's own, where `tokenizer.json` holds no tokenizer.
        """
        self._folder = folder
        self._words = tokenizers.Tokenizer.from_file(str(folder / FILES[0]))
        self._words.no_padding()
        self._truncation_side = truncation_side
        mark = json.loads((folder / FILES[1]).read_text(encoding="utf-8")).get("eos_token")
        name = mark.get("content") if isinstance(mark, dict) else mark
        self.eos_token_id: int | None = None if name is None else self._words.token_to_id(name)
        """Of the mark that ends an answer."""

    def __len__(self) -> int:
        """Words."""
        return self._words.get_vocab_size()

    def __call__(
        self,
        text: str,
        *,
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
        truncation: bool = False,
        max_length: int | None = None,
    ) -> dict[str, list[int]]:
        """`input_ids` of `text`.

        Args:
            add_special_tokens: the marks that belong around a text.
            split_special_tokens: marks in the text are letters like others.
            truncation: cuts what is longer than `max_length`.
        """
        if truncation and max_length is not None:
            self._words.enable_truncation(max_length, direction=self._truncation_side)
        else:
            self._words.no_truncation()
        self._words.encode_special_tokens = split_special_tokens
        return {"input_ids": self._words.encode(text, add_special_tokens=add_special_tokens).ids}

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of token ids."""
        return self._words.decode(token_ids, skip_special_tokens=skip_special_tokens)

    def save_pretrained(self, folder: Path) -> None:
        """Copies its files."""
        for name in FILES:
            shutil.copyfile(self._folder / name, folder / name)
