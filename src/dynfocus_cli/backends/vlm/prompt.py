"""From a question to the token ids around a video's tokens, by the model's own chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.backends.vlm.family import Family
from dynfocus_cli.backends.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.model.prompt import SUBTITLES

LATE_S = 3599.9
"""A moment whose stamp is as long as stamps mostly get."""


class ChatWriter:
    """Writes prompts for one family and one tokenizer, and reads answers back."""

    def __init__(self, family: Family, tokenizer: Any) -> None:
        """
        Raises:
            ModelUnavailable: the chat template has no place for a video, or the tokenizer no word for it.
        """
        self.family = family
        self.tokenizer = tokenizer
        self.placeholder_id: int = tokenizer.convert_tokens_to_ids(family.placeholder)
        if self.placeholder_id is None or self.placeholder_id == tokenizer.unk_token_id:
            raise ModelUnavailable(f"Its tokenizer does not know the word {family.placeholder}.")
        if family.conversation(tokenizer, "?").count(family.mark) != 1:
            raise ModelUnavailable(f"Its chat template has no single place for a video ({family.mark}).")
        words = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab(), family.mark, family.placeholder}
        longest_first = sorted(filter(None, words), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)))

    def ids(
        self, question: str, subtitles: Sequence[str], video: VideoTokens | None
    ) -> tuple[Tensor, Tensor]:
        """The whole prompt (S,) int64, and where it has placeholders (S,) bool: as many as video tokens."""
        said = "".join(f"{line}\n" for line in (SUBTITLES, *subtitles)) if subtitles else ""
        text = self.family.conversation(self.tokenizer, self._harmless(said + question))
        whole = text.replace(self.family.mark, self.family.video_text(video))
        first = self.tokenizer.bos_token
        ids = torch.tensor(
            self.tokenizer(whole, add_special_tokens=not (first and whole.startswith(first)))["input_ids"]
        )
        return ids, ids == self.placeholder_id

    def length(self, question: str, subtitles: Sequence[str] = ()) -> int:
        """Text tokens of the prompt without what stands around frames."""
        return len(self.ids(question, subtitles, None)[0])

    @cached_property
    def mark(self) -> int:
        """Text tokens around a part, at most."""
        parts = (_part(0, LATE_S), _part(1, LATE_S))
        video = VideoTokens(parts, Grid(1, 1), torch.zeros(2, 1), LATE_S, 2)
        ids, is_video = self.ids("?", (), video)
        return -(-(len(ids) - int(is_video.sum()) - self.length("?")) // 2)

    def words(self, question: str) -> list[int]:
        """Ids of the question alone; never none."""
        ids: list[int] = self.tokenizer(self._harmless(question), add_special_tokens=False)["input_ids"]
        return ids or [self.tokenizer.eos_token_id]

    def answer(self, answer: str) -> list[int]:
        """Ids that an answer begins the assistant's turn with."""
        ids: list[int] = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return ids

    def read(self, generated: list[int]) -> str:
        """The answer's text."""
        return str(self.tokenizer.decode(generated, skip_special_tokens=True)).strip()

    @property
    def ends(self) -> list[int]:
        """End marks."""
        own = [] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id]
        return list(dict.fromkeys([*own, *self.family.ends]))

    def _harmless(self, text: str) -> str:
        """Without words that mean something to the model: each is broken after its first character."""
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _part(first: int, time_s: float) -> Part:
    return Part(first, 1, (time_s,), time_s, (0.0,), (0.0,), is_run=False)
