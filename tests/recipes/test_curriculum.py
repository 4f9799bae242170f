"""The miniature in its curriculum: what a batch is drawn from, and that it goes on where it was killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.training.parts import trainable
from dynfocus_cli.training.run_log import log_lines
from dynfocus_tiny import curriculum
from dynfocus_tiny.answers import initialise
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import CURRICULUM, TYPES, CurriculumModel, Phase, train_answers
from dynfocus_tiny.recipe import fresh_model
from dynfocus_tiny.vision import DenseHeads

PHASES = (Phase("one", 2, (4,), 4, (1,), 1e-3), Phase("two", 3, (4, 8), 4, (2,), 5e-4, sigma=(0.3, 0.1)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    found = ClipStore(tmp_path_factory.mktemp("clips"), 3, 40)
    found.build(fresh_model(3)[0], Preprocessing(64, "squash"), 1)
    return found


def curriculum_model(store: ClipStore, focus: tuple[str, ...] = ()) -> CurriculumModel:
    network, prompt = fresh_model(3)
    initialise(network, DenseHeads(128), 1)
    return CurriculumModel(network, prompt, store, store, 1, PHASES, focus=focus)


@pytest.mark.slow
def test_rates_follow_the_phases(store: ClipStore) -> None:
    model = curriculum_model(store)
    assert model.steps == 5
    assert [model.phase_at(number)[0].name for number in range(5)] == ["one"] * 2 + ["two"] * 3
    # Of five steps none warms up.
    assert model.rate_at(1) / model.rate_at(0) == pytest.approx(1 - 0.7 / 2)
    model.curriculum = CURRICULUM
    first, second = CURRICULUM[:2]
    begun = first.rate * (1 - (1 - first.floor) / first.steps)
    assert model.rate_at(0) == pytest.approx(first.rate / 100)
    assert model.rate_at(1) == pytest.approx(2 * begun / 100)
    last = first.steps - 1
    fallen = first.rate * (1 - (1 - first.floor) * last / first.steps)
    assert model.rate_at(last) == pytest.approx(fallen)
    assert model.rate_at(first.steps) == pytest.approx(second.rate)


@pytest.mark.slow
def test_what_looks_stays_as_it_is(store: ClipStore) -> None:
    names = {name for name, _ in trainable(curriculum_model(store))}
    assert not any("vision" in name or "question_encoder" in name or ".rods." in name for name in names)
    assert {"model.connector.change.tell.weight", "model.connector.fine.0.weight"} <= names
    assert any("score_network" in name for name in names)


@pytest.mark.slow
def test_what_was_mastered_is_asked_less_and_what_is_dwelt_on_more(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, float]] = []
    draw = curriculum.draw_examples

    def noted(*arguments, weights, **options):
        asked.append(weights)
        return draw(*arguments, weights=weights, **options)

    monkeypatch.setattr(curriculum, "draw_examples", noted)
    model = curriculum_model(store, focus=("before", "after"))
    for kind in ("what", "before"):
        model.recent_accuracy[TYPES.index(kind)] = 1.0
    model(0)
    expected = {"what": 0.1, "when": 1.1, "before": 0.3, "after": 3.3}
    assert {kind: asked[0][kind] for kind in expected} == pytest.approx(expected)


@pytest.mark.slow
def test_killed_and_given_again_it_goes_on(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recent accuracy, which later batches are drawn by, is kept too."""
    monkeypatch.setattr(curriculum, "SAVE_EVERY", 2)
    monkeypatch.setattr(CurriculumModel, "validate", lambda self, phase: {"accuracy": 0.0})
    real = CurriculumModel.forward

    def lucky(self: CurriculumModel, number: int) -> torch.Tensor:
        """An untrained network is never right, and its recent accuracy would stay at 0."""
        loss = real(self, number)
        self.recent_accuracy[number % len(TYPES)] += 0.5
        return loss

    def killed(self: CurriculumModel, number: int) -> torch.Tensor:
        if number == 3:
            raise KeyboardInterrupt
        return lucky(self, number)

    def train(folder: Path) -> dict[str, torch.Tensor]:
        model = curriculum_model(store)
        train_answers(folder, model)
        return model.state_dict()

    monkeypatch.setattr(CurriculumModel, "forward", lucky)
    whole = train(tmp_path / "whole")
    monkeypatch.setattr(CurriculumModel, "forward", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "halves")
    monkeypatch.setattr(CurriculumModel, "forward", lucky)
    halves = train(tmp_path / "halves")
    assert whole["recent_accuracy"].max() >= 0.5
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    curves = [
        [line["loss"] for line in log_lines(tmp_path / run) if "loss" in line] for run in ("whole", "halves")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 5
