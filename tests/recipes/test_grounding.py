"""Grounding: which thing of a frame a question is about, and what its rod learns of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.synth.questions import Question, name
from dynfocus_cli.synth.world import COLORS, SHAPES, WIDE, Thing
from dynfocus_cli.training.parts import trainable
from dynfocus_cli.training.run_log import log_lines
from dynfocus_tiny import grounding
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.grounding import (
    GroundingModel,
    draw_grounding_examples,
    grounded_parts,
    initialise_question_encoder,
    train_grounding,
)
from dynfocus_tiny.labels import NOTHING, UNKNOWN, about, cell_of, thing_label
from dynfocus_tiny.recipe import fresh_model

CLIPS = 3


@pytest.fixture(scope="module")
def taught():
    """An untrained miniature and its prompts."""
    return fresh_model(3)


@pytest.fixture(scope="module")
def store(taught, tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """Three clips as an untrained vision encoder sees them: colours and places are in its features."""
    found = ClipStore(tmp_path_factory.mktemp("clips"), CLIPS, 40)
    found.build(taught[0], Preprocessing(64, "squash"), 1)
    return found


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        (Question("when", "", "", (), (("thing", "red star"),)), ["red star"], ["red ring", "blue star"]),
        (Question("appear", "", "", (), (("a_thing", "an orange 7"),)), ["orange 7"], ["orange 1", "red 7"]),
        (
            Question("first", "", "", (), (("one", "the red star"), ("other", "the pink 3"))),
            ["red star", "pink 3"],
            ["pink star", "red 3"],
        ),
        (Question("color", "", "", (), (("time", "00:01"), ("shape", "star"))), ["red star"], ["red ring"]),
        (Question("shape", "", "", (), (("time", "00:01"), ("color", "red"))), ["red ring"], ["blue ring"]),
        (Question("digit", "", "", (), (("time", "00:01"),)), ["red 0", "blue 9"], ["red star"]),
        (Question("before", "", "", (), (("thing", "red star"),)), ["red star", "blue 3"], []),
        (
            Question("unanswerable", "", "", (), (("thing", "red star"), ("wording", "after"))),
            ["red star", "blue 3"],
            [],
        ),
        (Question("count", "", "", (), (("time", "00:01"),)), ["red star", "blue 3"], []),
    ],
    ids=lambda value: value.type if isinstance(value, Question) else "",
)
def test_what_a_question_is_about(question: Question, yes: list[str], no: list[str]) -> None:
    meant = about(question)
    assert all(meant(Thing(*words.split())) for words in yes)
    assert not any(meant(Thing(*words.split())) for words in no)


@pytest.mark.slow
def test_labels_are_of_the_one_thing_that_is_meant(store: ClipStore) -> None:
    examples = draw_grounding_examples(store, random.Random(0), 12)
    absent = 0
    for example in examples:
        meant = about(example.question)
        scene = store.scripts[example.clip].scene_at(example.second)
        seen = [s for s in scene.at(example.second) if meant(s.thing)]
        if example.label == NOTHING:
            assert not seen
            absent += 1
        else:
            (one,) = seen
            shape, color, cell = example.label
            assert one.thing == Thing(list(COLORS)[color], SHAPES[shape])
            assert cell_of(one) == cell
    assert 0 < absent < len(examples)


def test_what_comes_before_or_after_is_told_apart_from_what_is_named(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, 40, 40, WIDE)
    found = []
    for example in draw_grounding_examples(store, random.Random(0), 40):
        if example.question.type not in ("before", "after"):
            assert example.shows_named == UNKNOWN
            continue
        seen = store.scripts[example.clip].scene_at(example.second).at(example.second)
        thing = dict(example.question.fields)["thing"]
        if example.label == NOTHING:
            assert not seen
            assert example.shows_named == 0
        else:
            (one,) = seen
            assert example.label[:2] == thing_label(one.thing)
            assert example.shows_named == (name(one.thing) == thing)
        found.append((example.shows_named, example.label == NOTHING))
    assert set(found) == {(1, False), (0, False), (0, True)}


@pytest.mark.slow
def test_only_what_looks_is_taught(store: ClipStore) -> None:
    model, prompt = fresh_model(3)
    initialise_question_encoder(model, 1)
    grounding_model = GroundingModel(model, prompt, store, 1)
    grounding_model(0).backward()
    connector = model.connector
    assert connector.rods.key.weight.grad.abs().max() > 0
    assert connector.question_encoder.queries.grad.abs().max() > 0
    learns = {path for path, _ in trainable(grounding_model)}
    for path, parameter in grounding_model.named_parameters():
        assert parameter.grad is None or path in learns, path
    assert not any("vision" in path or "language_model" in path or "fine" in path for path in learns)


@pytest.mark.slow
def test_killed_and_given_again_it_goes_on(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grounding, "SAVE_EVERY", 2)
    forward = GroundingModel.forward

    def train(folder: Path) -> dict[str, torch.Tensor]:
        model, prompt = fresh_model(3)
        initialise_question_encoder(model, 1)
        train_grounding(folder, GroundingModel(model, prompt, store, 1), store, steps=4, seed=1)
        return grounded_parts(model).state_dict()

    def killed(self: GroundingModel, number: int) -> torch.Tensor:
        if number == 3:
            raise KeyboardInterrupt
        return forward(self, number)

    whole = train(tmp_path / "whole")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(GroundingModel, "forward", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "halves")
    halves = train(tmp_path / "halves")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    assert [line["step"] for line in log_lines(tmp_path / "halves") if "right" in line] == [2, 4]
