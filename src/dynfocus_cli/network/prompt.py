"""From a question to the token ids around the video tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.tokenizer import TextTokenizer

VIDEO, QUESTION = "<video>", "{question}"
VICUNA_V1 = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. USER: <video>\n{question} ASSISTANT:"
)
"""The words around a question that Vicuna was trained with."""

SUBTITLES = "Subtitles on screen at the frames:"


def continued(ids: Callable[[str], list[int]], begun: str, answer: str) -> list[int]:
    """Ids of `answer` behind the text `begun`: with a space between, but behind a bracket or a space."""
    if not begun or begun[-1] not in "([{ \n":
        answer = f" {answer}"
    before, whole = ids(begun), ids(begun + answer)
    # Words can be cut up otherwise where they stand behind others.
    return (
        whole[len(before) :] if whole[: len(before)] == before and len(whole) > len(before) else ids(answer)
    )


class PromptWriter:
    """Writes prompts by a config's `prompt_template`, and reads answers back."""

    def __init__(
        self,
        config: DynFocusConfig,
        tokenizer: TextTokenizer,
        question_tokenizer: TextTokenizer | None = None,
    ) -> None:
        """`question_tokenizer` is the Q-Former's, where it does not read the language model's words.

        Raises:
            ValueError: the template lacks `<video>` or `{question}`, or holds `<video>` twice.
        """
        before, mark, self._after = config.prompt_template.partition(VIDEO)
        if not mark or VIDEO in self._after or QUESTION not in self._after:
            raise ValueError(f"a prompt template needs one {VIDEO} and then {QUESTION}, got {mark = }")
        self.tokenizer = tokenizer
        self.question_tokenizer = question_tokenizer
        self.before_video: list[int] = tokenizer(before)["input_ids"]
        """Ids ahead of the video tokens, beginning with BOS."""

    def after_video(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> list[int]:
        """Ids that follow the video tokens, up to where the answer goes on; `subtitles` come ahead of the
        question, one line each, and the answer begins with `prefix`."""
        said = "".join(f"{line}\n" for line in (SUBTITLES, *subtitles)) if subtitles else ""
        # Replaced, not formatted: a question may hold braces.
        text = self._after.replace(QUESTION, said + question)
        return self._plain(f"{text} {prefix}" if prefix else text)

    def length(self, question: str, subtitles: Sequence[str] = (), prefix: str = "") -> int:
        """Text tokens of the whole prompt."""
        return len(self.before_video) + len(self.after_video(question, subtitles, prefix))

    def question(self, question: str, longest: int) -> list[int]:
        """Ids that the Q-Former reads: the question alone, cut on the left to `longest` tokens."""
        if self.question_tokenizer is not None:
            ids: list[int] = self.question_tokenizer(
                question, truncation=True, max_length=longest, split_special_tokens=True
            )["input_ids"]
            return ids
        return self._plain(f" {question}")[-longest:]

    def answer(self, answer: str) -> list[int]:
        """Ids that a right answer is made of, with the end mark. For training."""
        return [*self._plain(f" {answer}"), self.tokenizer.eos_token_id]

    def option(self, option: str, prefix: str = "") -> list[int]:
        """Ids of an option's letter where the answer is to be one, or goes on from `prefix`; without the end
        mark, since the model may go on behind the letter."""
        return continued(self._plain, f" {prefix}" if prefix else "", option)

    def read(self, generated: list[int]) -> str:
        """The answer's text."""
        return str(self.tokenizer.decode(generated, skip_special_tokens=True)).strip()

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        return ids
