"""Public models: key frames without events, and prompts that somebody else words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import dynfocus_cli
from dynfocus_cli import DynFocus, GenerationOptions, RunOptions, SelectionOptions, pipeline
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Answer, Option, Prompt

pytestmark = pytest.mark.slow

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
QUESTION = "What is shown at 00:03?"
OPTIONS = (Option("A", "a star"), Option("B", "a circle"))
FAMILIES = ("qwen3_vl", "smolvlm", "llava_onevision")


@pytest.fixture(scope="module")
def models(model_folders: dict[str, Path]) -> dict[str, DynFocus]:
    return {family: dynfocus_cli.load(str(model_folders[family]), device="cpu") for family in FAMILIES}


def ask(
    model: DynFocus, prompt: Prompt | None = None, options: Sequence[Option] = (), **selection: object
) -> Answer:
    run = RunOptions(
        selection=SelectionOptions(**selection),  # type: ignore[arg-type]
        generation=GenerationOptions(max_new_tokens=2),
        decoding=DecodingOptions(cache=False),
    )
    custom = None if prompt is None else CustomPrompt(lambda lines: prompt)
    return pipeline.ask(DEMO, QUESTION, model.model, run, Silent(), options, prompt=custom)


@pytest.mark.parametrize("scorer", ["density", "question"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_frame_is_scored_by_itself(models: dict[str, DynFocus], family: str, scorer: str) -> None:
    curves = {}
    for selector in ("topk", "aks", "even"):
        evidence = ask(
            models[family], scorer=scorer, rods=False, frame_selector=selector, key_ratio=0.1
        ).evidence
        assert [frame.event for frame in evidence.frames] == list(range(len(evidence.frames)))
        assert evidence.selection.selector == selector
        assert evidence.tokens.video == sum(frame.tokens for frame in evidence.frames if frame.meaningful)
        curves[selector] = [frame.score for frame in evidence.frames]
        pinned = [frame for frame in evidence.frames if 2.9 < frame.time_s < 3.1 and frame.meaningful]
        assert pinned or selector == "even"
    assert curves["topk"] == curves["aks"] == curves["even"]


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_are_read_and_frames_chosen_by_the_question(models: dict[str, DynFocus], family: str) -> None:
    model = models[family]
    plain, worded = ask(model), ask(model, Prompt(QUESTION))
    assert (worded.answer, worded.evidence.frames) == (plain.answer, plain.evidence.frames)
    other = ask(model, Prompt(f"{QUESTION}\nA. a star\nB. a circle", "Best Option: ("))
    assert other.evidence.frames == plain.evidence.frames
    assert other.evidence.tokens.prompt > plain.evidence.tokens.prompt
    writer = model.model.spec.prompt  # type: ignore[attr-defined]
    begun = writer.tokenizer.decode(writer.ids(QUESTION, (), None, "Best Option: (")[0])
    assert begun.endswith("Best Option: (")
    assert [len(ids) for ids in writer.answers(("A", "B"), "Best Option: (")] == [1, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_letters_behind_a_prompt_are_as_likely_as_the_same_words_make_them(
    models: dict[str, DynFocus], family: str
) -> None:
    from dynfocus_cli.multiple_choice import listed

    model = models[family]
    own = ask(model, None, OPTIONS)
    worded = ask(model, Prompt(listed(QUESTION, OPTIONS)), OPTIONS)
    assert [option.log_likelihood for option in worded.options] == [
        option.log_likelihood for option in own.options
    ]
    begun = ask(model, Prompt(listed(QUESTION, OPTIONS), "("), OPTIONS)
    assert begun.answer in "AB"
    assert begun.options != own.options
