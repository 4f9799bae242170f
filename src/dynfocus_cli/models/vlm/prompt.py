"""Writes prompts around a video's tokens by a model's own chat template, and reads answers back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.models.vlm.family import Family
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.network.prompt import SUBTITLES, continued

LATE_S, LATE_FRAME = 35999.9, 176
"""A moment and a frame whose stamps are the longest within ten hours and a thousand frames, also where the
number is spelled."""


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
        self, question: str, subtitles: Sequence[str], video: VideoTokens | None, prefix: str = ""
    ) -> tuple[Tensor, Tensor]:
        """The whole prompt (S,) int64 with the beginning of the answer, and where it has placeholders (S,)
        bool: as many as video tokens."""
        spoken = "".join(f"{line}\n" for line in (SUBTITLES, *subtitles)) if subtitles else ""
        text = self.family.conversation(self.tokenizer, self._harmless(spoken + question))
        text += self._begun(prefix)
        whole = text.replace(self.family.mark, self.family.video_text(video))
        first = self.tokenizer.bos_token
        ids = torch.tensor(
            self.tokenizer(whole, add_special_tokens=not (first and whole.startswith(first)))["input_ids"]
        )
        return ids, ids == self.placeholder_id

    def length(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> int:
        """Text tokens of the prompt without what stands around each part of the video."""
        return len(self.ids(question, subtitles, None, prefix)[0]) + self._once

    @cached_property
    def timestamp_tokens(self) -> int:
        """Text tokens around a part, at most."""
        key_frame, run = _part(is_run=False), _part(is_run=True)
        return max(self._around(key_frame, part) for part in (key_frame, run)) - self._around(key_frame)

    @cached_property
    def _once(self) -> int:
        """Text tokens that a video adds once, however many parts it has."""
        return max(0, self._around(_part(is_run=False)) - self.timestamp_tokens)

    def _around(self, *parts: Part) -> int:
        """Text tokens that these parts of a video add to the prompt."""
        tokens = sum(part.tokens for part in parts)
        video = VideoTokens(parts, Grid(1, 1), torch.zeros(tokens, 1), LATE_S, LATE_FRAME + 1)
        return len(self.ids("?", (), video)[0]) - tokens - len(self.ids("?", (), None)[0])

    def words(self, question: str) -> list[int]:
        """Ids of the question alone: at least one."""
        ids: list[int] = self.tokenizer(self._harmless(question), add_special_tokens=False)["input_ids"]
        return ids or [self.tokenizer.eos_token_id]

    def answers(self, answers: Sequence[str], prefix: str = "") -> list[list[int]]:
        """The ids of each answer at the beginning of the assistant's turn, or behind `prefix` there.

        Where one begins with another, as 10 does with 1, all end with the end mark: else the shorter would
        always be the likelier.
        """
        begin = self.family.before_answer
        ids: list[list[int]] = [
            continued(self._plain, self._begun(prefix), answer) if prefix else self._plain(begin + answer)
            for answer in answers
        ]
        begins = any(
            one is not other and other[: len(one)] == one for one, other in itertools.product(ids, ids)
        )
        return [[*each, self.ends[0]] for each in ids] if begins else ids

    def read(self, generated: list[int]) -> str:
        """The answer's text."""
        return str(self.tokenizer.decode(generated, skip_special_tokens=True)).strip()

    @property
    def ends(self) -> list[int]:
        """End marks."""
        own = [] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id]
        return list(dict.fromkeys([*own, *self.family.ends]))

    def _begun(self, prefix: str) -> str:
        """What stands of the answer already; empty without a prefix."""
        return self.family.before_answer + prefix if prefix else ""

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _harmless(self, text: str) -> str:
        """`text` with a space after the first character of each word that is special to the model."""
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def _part(*, is_run: bool) -> Part:
    frames = 2 if is_run else 1
    nowhere = (0.0,) * frames
    return Part(LATE_FRAME, frames, (LATE_S,) * frames, LATE_S, nowhere, nowhere, is_run)
