"""Prompts: what stands before and after the video, and answers read back."""

from __future__ import annotations

import pytest

from builders import small_config, small_prompt, small_tokenizer
from dynfocus_cli.network.prompt import PromptWriter

TOKENIZER = small_tokenizer()


def test_around_the_video(prompt) -> None:
    assert prompt.before_video == [TOKENIZER.bos_token_id]
    after = TOKENIZER.decode(prompt.after_video("What is shown at 00:05?"))
    assert after == " what is shown at 00:05? answer:"
    assert prompt.length("Why?") == 1 + len(prompt.after_video("Why?"))


@pytest.mark.parametrize("question", ["{question} <video> {0}", "%s {", "Où est le chien ? 犬 🐕", "a\nb"])
def test_any_text_is_a_question(prompt, question: str) -> None:
    ids = prompt.after_video(question)
    assert TOKENIZER.decode(ids) == f" {question.lower()} answer:"


def test_a_long_question_loses_its_beginning(prompt) -> None:
    whole = prompt.question("one two three four", 96)
    assert prompt.question("one two three four", 2) == whole[-2:]


def test_an_answer_ends(prompt) -> None:
    ids = prompt.answer("a red star")
    assert ids[-1] == TOKENIZER.eos_token_id
    assert prompt.read(ids) == "a red star"
    assert prompt.read([]) == ""


@pytest.mark.parametrize(
    "template", ["{question}", "<video>", "{question} <video>", "<video> <video> {question}"]
)
def test_a_template_has_one_place_for_each(template: str) -> None:
    with pytest.raises(ValueError, match="prompt template"):
        PromptWriter(small_config(prompt_template=template), TOKENIZER)


def test_a_template_of_a_chat() -> None:
    prompt = small_prompt(small_config(prompt_template="user: <video>\n{question} answer:"))
    assert TOKENIZER.decode(prompt.before_video, skip_special_tokens=True) == "user: "
    assert TOKENIZER.decode(prompt.after_video("Why?")) == "\nwhy? answer:"
