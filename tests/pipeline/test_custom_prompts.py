"""A prompt that somebody else words: the language model reads it, and frames are chosen by the question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dynfocus_cli import GenerationOptions, RunOptions, SelectionOptions, load, pipeline
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Answer, Option, Prompt
from dynfocus_cli.video import Subtitles
from dynfocus_cli.video.cues import Cue

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
QUESTION = "What is shown at 00:03?"
OPTIONS = (Option("A", "a red star"), Option("B", "a pink circle"))


@pytest.fixture(scope="module")
def model() -> Backend:
    return load("dynfocus-tiny").model


def ask(
    model: Backend,
    prompt: Prompt | None = None,
    options: tuple[Option, ...] = (),
    subtitles: Subtitles | None = None,
    seen: list[Sequence[str] | None] | None = None,
) -> Answer:
    def wording(lines: Sequence[str] | None) -> Prompt:
        assert prompt is not None
        if seen is not None:
            seen.append(lines)
        return Prompt("".join(f"{line}\n" for line in lines or ()) + prompt.text, prompt.prefix)

    run = RunOptions(selection=SelectionOptions(budget=320))
    custom = None if prompt is None else CustomPrompt(wording, subtitles)
    return pipeline.ask(DEMO, QUESTION, model, run, Silent(), options, prompt=custom)


def test_the_question_as_prompt_gives_the_answer_that_it_gives_alone(model: Backend) -> None:
    plain, worded = ask(model), ask(model, Prompt(QUESTION))
    assert worded.answer == plain.answer
    assert worded.evidence.frames == plain.evidence.frames
    assert worded.evidence.tokens == plain.evidence.tokens


def test_another_prompt_changes_no_frame(model: Backend) -> None:
    text = "Select the best answer.\nWhat is shown?\nA. a red star\nB. a pink circle"
    plain, worded = ask(model), ask(model, Prompt(text))
    assert worded.evidence.question == QUESTION
    assert worded.evidence.frames == plain.evidence.frames
    assert worded.evidence.tokens.prompt > plain.evidence.tokens.prompt


def test_a_prefix_is_read_and_gone_on_from(model: Backend) -> None:
    without, begun = ask(model, Prompt(QUESTION)), ask(model, Prompt(QUESTION, without_last(model)))
    assert begun.evidence.tokens.prompt > without.evidence.tokens.prompt
    assert f"{without_last(model)} {begun.answer}" == without.answer


def without_last(model: Backend) -> str:
    """The plain answer's beginning."""
    return " ".join(ask(model).answer.split()[:-1])


def test_options_of_a_prompt_are_answered_by_their_letters(model: Backend) -> None:
    text = f"{QUESTION}\nA. a red star\nB. a pink circle"
    for prompt in (Prompt(text), Prompt(text, "Best Option: (")):
        reply = ask(model, prompt, OPTIONS)
        assert reply.answer in "AB"
        assert all(option.log_likelihood < 0 for option in reply.options)
    assert ask(model, Prompt(text), OPTIONS).options != ask(model, None, OPTIONS).options


def test_subtitles_on_screen_are_given_to_who_words_the_prompt(model: Backend) -> None:
    cues = (Cue(1.0, 4.0, "A star falls."), Cue(900.0, 901.0, "Never shown."))
    seen: list[Sequence[str] | None] = []
    reply = ask(model, Prompt(QUESTION), (), Subtitles(cues, "film.srt"), seen)
    assert seen[0] is None
    assert list(seen[-1] or ()) == ["A star falls."]
    plain = ask(model, Prompt(QUESTION))
    assert reply.evidence.subtitles is not None
    assert reply.evidence.subtitles.lines == ("A star falls.",)
    assert reply.evidence.tokens.prompt == plain.evidence.tokens.prompt + reply.evidence.subtitles.tokens


def test_a_long_prompt_leaves_fewer_tokens_for_the_video(model: Backend) -> None:
    long = ask(model, Prompt(f"{QUESTION} " * 225))
    assert long.evidence.tokens.video < ask(model).evidence.tokens.video
    used = long.evidence.tokens.video + long.evidence.tokens.prompt
    assert used + GenerationOptions().max_new_tokens <= long.evidence.tokens.context
