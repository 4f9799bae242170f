"""Glances: which thing of a frame a question is about, and what its rod learns of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.synth.questions import Question, about
from dynfocus_cli.synth.world import COLORS, SHAPES, Thing
from dynfocus_cli.training import grounding
from dynfocus_cli.training.clips import ClipStore
from dynfocus_cli.training.grounding import (
    ABSENT,
    Readouts,
    draw_glances,
    grounded,
    load_grounding,
    look,
    train_grounding,
)
from dynfocus_cli.training.tiny import fresh_model
from dynfocus_cli.training.vision import cell_of

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
        (Question("count", "", "", (), (("time", "00:01"),)), ["red star", "blue 3"], []),
    ],
    ids=lambda value: value.type if isinstance(value, Question) else "",
)
def test_what_a_question_is_about(question: Question, yes: list[str], no: list[str]) -> None:
    meant = about(question)
    assert all(meant(Thing(*words.split())) for words in yes)
    assert not any(meant(Thing(*words.split())) for words in no)


def test_labels_are_of_the_one_thing_that_is_meant(store: ClipStore) -> None:
    glances = draw_glances(store, random.Random(0), 12)
    absent = 0
    for glance in glances:
        meant = about(glance.question)
        scene = store.scripts[glance.clip].scene_at(glance.second)
        seen = [s for s in scene.at(glance.second) if meant(s.thing)]
        if glance.label == ABSENT:
            assert not seen
            absent += 1
        else:
            (one,) = seen
            shape, color, cell = glance.label
            assert one.thing == Thing(list(COLORS)[color], SHAPES[shape])
            assert cell_of(one) == cell
    assert 0 < absent < len(glances)


def test_only_what_looks_is_taught(taught, store: ClipStore) -> None:
    model, prompt = taught
    model.zero_grad()
    loss, _ = look(model, prompt, Readouts(128), store, draw_glances(store, random.Random(0), 2))
    loss.backward()
    parts = {id(parameter) for parameter in grounded(model).parameters()}
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or id(parameter) in parts, name
    assert model.connector.rods.key.weight.grad.abs().max() > 0
    assert model.connector.question_encoder.queries.grad.abs().max() > 0


def test_killed_and_given_again_it_goes_on(
    taught, store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grounding, "SAVE_EVERY", 2)

    def train(folder: Path) -> dict[str, torch.Tensor]:
        model, prompt = fresh_model(3)
        train_grounding(folder, model, prompt, store, store, steps=4, seed=1)
        load_grounding(model, folder)
        return grounded(model).state_dict()

    def killed_at_the_fourth(store: ClipStore, rng: random.Random, clips: int = 12) -> list[grounding.Glance]:
        if rng.getstate() == random.Random(1_000_003 + 3).getstate():
            raise KeyboardInterrupt
        return draw_glances(store, rng, clips)

    whole = train(tmp_path / "whole")
    with monkeypatch.context() as killed:
        killed.setattr(grounding, "draw_glances", killed_at_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "halves")
    halves = train(tmp_path / "halves")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
