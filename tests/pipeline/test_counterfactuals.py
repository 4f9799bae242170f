"""Multiple choice, and answers from other frames, by a random network."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import dynfocus_cli
from builders import write_noise
from dynfocus_cli import DynFocus, RunOptions, SamplingOptions, SelectionOptions, UsageError, pipeline
from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.models.protocol import Choice
from dynfocus_cli.pipeline.counterfactuals import (
    even_frames,
    evenly,
    is_other,
    key_frames_among_others,
    other_frames,
)
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Option

CHOICES = tuple(
    Option(letter, text) for letter, text in zip("ABC", ("white", "a black square", "orange"), strict=True)
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_noise(tmp_path_factory.mktemp("video") / "noise.mp4")


@pytest.fixture(scope="module")
def tiny(saved: Path) -> DynFocus:
    return dynfocus_cli.load(str(saved), device="cpu")


def test_likelihoods_are_those_of_whole_sequences(tiny: DynFocus, video: str) -> None:
    """What the cache gives is what one pass over prompt and answer gives."""
    model, seen = tiny.model, []
    answered = pipeline.ask(video, "Which?", model, RunOptions(), Silent(), CHOICES)
    embed = model.network.get_input_embeddings()
    original = model.network.language_model.forward

    def forward(*arguments, inputs_embeds=None, **named):
        if inputs_embeds is not None:
            seen.append(inputs_embeds)
        return original(*arguments, inputs_embeds=inputs_embeds, **named)

    model.network.language_model.forward = forward
    try:
        again = pipeline.ask(video, "Which?", model, RunOptions(), Silent(), CHOICES)
    finally:
        del model.network.language_model.forward
    assert again.options == answered.options
    prompt = seen[0]
    with torch.inference_mode():
        for option in answered.options:
            ids = model.prompt.answer(option.text)
            logits = original(inputs_embeds=torch.cat((prompt, embed(torch.tensor([ids]))), dim=1)).logits[0]
            told = logits[prompt.shape[1] - 1 : -1].log_softmax(-1).gather(1, torch.tensor(ids).unsqueeze(1))
            assert option.log_likelihood == pytest.approx(float(told.sum()), abs=1e-3)
    best = max(answered.options, key=lambda option: option.log_likelihood)
    assert answered.answer == best.letter
    assert answered.evidence.tokens.generated == 0


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        (CHOICES[:1], "at least two"),
        ((CHOICES[0], CHOICES[0]), "two choices A"),
        ((CHOICES[0], Option("B", " ")), "letter and a text"),
    ],
)
def test_choices_that_are_none(tiny: DynFocus, video: str, choices, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        pipeline.ask(video, "Which?", tiny.model, RunOptions(), Silent(), choices)


def test_a_check_asks_other_frames_for_as_many_tokens(tiny: DynFocus, video: str) -> None:
    options = RunOptions(check=True)
    found = tiny.ask(video, "What?", options)
    plain = tiny.ask(video, "What?")
    assert plain.check is None
    assert (plain.answer, plain.evidence.frames) == (found.answer, found.evidence.frames)
    check, tokens = found.check, found.evidence.tokens.video
    assert check is not None
    assert check.even_frames.tokens <= tokens
    assert check.even_frames.frames == tokens // 40
    assert check.without_key_frames is not None
    assert check.without_key_frames.tokens <= tokens
    assert check.without_key_frames.frames == len(found.evidence.frames) - len(found.evidence.key_frames)
    for other in (check.even_frames, check.without_key_frames):
        assert other.changed == is_other(other.answer, found.answer)


def test_a_check_begins_no_answer_anew(tiny: DynFocus, video: str) -> None:
    """After the first piece of the answer a stage would say so, and a terminal would show it twice."""
    told: list[str] = []

    class Told(Silent):
        def stage(self, name: str, total: int | None) -> None:
            told.append(name)

        def write(self, text: str) -> None:
            told.append("text")

    tiny.ask(video, "What?", RunOptions(check=True), progress=Told())
    assert "text" in told
    assert set(told[told.index("text") :]) == {"text"}


def test_a_single_frame_leaves_no_others(tiny: DynFocus, video: str) -> None:
    found = tiny.ask(video, "What?", RunOptions(sampling=SamplingOptions(frames=1), check=True))
    assert found.check is not None
    assert found.check.without_key_frames is None


def test_which_frames_are_asked_instead() -> None:
    choice = Choice((0,) * 10, (1.0,), (2, 7), FramePrice(40, 2))
    assert evenly(8, 2) == (2, 6)
    assert even_frames(10, choice) == (5 * 1 // 2, 7)
    assert other_frames(10, choice) == (0, 1, 3, 4, 5, 6, 8, 9)
    assert key_frames_among_others(8, 10, choice) == evenly(8, 2)
    free = Choice((0,) * 10, (1.0,), (2, 7), FramePrice(40, 0))
    assert key_frames_among_others(8, 10, free) == evenly(8, 2)


def test_answers_are_compared_by_their_words() -> None:
    assert not is_other("White.", " white")
    assert is_other("white", "black")


@pytest.mark.parametrize("wanted", [{"stock": True}, {"cone_tokens": 4}])
def test_what_only_hub_models_can_do(tiny: DynFocus, video: str, wanted: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Hugging Face hub"):
        tiny.ask(video, "What?", RunOptions(selection=SelectionOptions(**wanted)))


def test_an_option_not_yet_asked_has_no_likelihood() -> None:
    assert math.isnan(CHOICES[0].log_likelihood)
