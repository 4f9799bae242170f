"""Arms spend the same tokens on the same frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynfocus_cli import RunOptions, SamplingOptions, SelectionOptions, UsageError, pipeline
from dynfocus_cli.evaluation.arms import ARMS, choose_arms, options_of, tokens_of
from dynfocus_cli.models.open import load_model
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Answer
from dynfocus_cli.video import probe

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
QUESTION = "What is shown at 00:03?"
EQUAL = [name for name, arm in ARMS.items() if not arm.is_stock]


@pytest.fixture(scope="module")
def tiny() -> Backend:
    return load_model("dynfocus-tiny", "cpu", None, None)


def ask(model: Backend, name: str, tokens: int | None = None, options: RunOptions | None = None) -> Answer:
    source, options = probe(DEMO), options or RunOptions()
    limit = tokens_of(model.spec, source, options, tokens)
    run = options_of(ARMS[name], model.spec, source, options, limit)
    return pipeline.ask(DEMO, QUESTION, model, run, Silent())


def test_the_default_is_eight_full_key_frames(tiny: Backend) -> None:
    assert tokens_of(tiny.spec, probe(DEMO), RunOptions(), None) == 320
    assert ask(tiny, "even").evidence.tokens.video == 320
    assert len(ask(tiny, "even").evidence.key_frames) == 8


@pytest.mark.parametrize("tokens", [40, 119, 320, 1000])
def test_each_arm_spends_no_more_than_it_may_on_the_same_frames(tiny: Backend, tokens: int) -> None:
    answers = {name: ask(tiny, name, tokens) for name in EQUAL}
    times = {tuple(frame.time_s for frame in one.evidence.frames) for one in answers.values()}
    assert len(times) == 1
    for name, one in answers.items():
        assert one.evidence.tokens.video <= tokens, name
        assert all(frame.tokens == 0 for frame in one.evidence.frames if not frame.meaningful) == (
            name in ("even", "key", "topk", "aks") or len(one.evidence.frames) == 1
        )
    for name in ("even", "topk", "aks"):
        frames = min(tokens // 40, len(answers[name].evidence.frames))
        assert len(answers[name].evidence.key_frames) == frames


def test_even_frames_are_the_same_for_every_question(tiny: Backend) -> None:
    source = probe(DEMO)
    run = options_of(ARMS["even"], tiny.spec, source, RunOptions(), 320)
    times = {
        tuple(frame.time_s for frame in pipeline.ask(DEMO, text, tiny, run, Silent()).evidence.key_frames)
        for text in ("How many scenes are there?", "When does the star appear?")
    }
    assert len(times) == 1


def test_options_of_the_run_hold_for_each_arm(tiny: Backend) -> None:
    options = RunOptions(SamplingOptions(frames=10), SelectionOptions(prototypes=4, key_ratio=0.5))
    assert {len(ask(tiny, name, 320, options).evidence.frames) for name in EQUAL} == {
        len(ask(tiny, "dynfocus", 320, options).evidence.frames)
    }
    assert ask(tiny, "dynfocus", 320, options).evidence.selection.key_frames == 2
    assert ask(tiny, "even", 320, options).evidence.selection.key_frames == 8


def test_what_a_model_cannot_do_is_said_with_what_it_can(tiny: Backend) -> None:
    assert [arm.name for arm in choose_arms(None, tiny.spec, RunOptions())] == ["dynfocus", "even", "key"]
    assert [arm.name for arm in choose_arms(["even", "even"], tiny.spec, RunOptions())] == ["even"]
    able = r"cannot do the arm stock .* it can do dynfocus, rods, even, key, topk"
    with pytest.raises(UsageError, match=able):
        choose_arms(["stock"], tiny.spec, RunOptions())
    with pytest.raises(UsageError, match="no arm 'evne': dynfocus-tiny can do dynfocus"):
        choose_arms(["evne"], tiny.spec, RunOptions())
    with pytest.raises(UsageError, match="names no arm"):
        choose_arms([], tiny.spec, RunOptions())
    with pytest.raises(UsageError, match="`tokens=39` holds no key frame of this video: give 40 or more"):
        tokens_of(tiny.spec, probe(DEMO), RunOptions(), 39)
