"""A run that goes on from a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynfocus_cli.training.tiny import recipe
from dynfocus_cli.training.tiny.answers import Phase
from dynfocus_cli.training.tiny.clips import ClipStore
from dynfocus_cli.training.tiny.recipe import Recipe

SHIPPED = Path(__file__).parents[3] / "weights" / "dynfocus-tiny"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recipe:
    """The shipped network before two more lessons each of looking and of answering."""
    monkeypatch.setattr(recipe, "FURTHER", (Phase("again", 2, (4,), 4, (1,), 1e-3),))
    monkeypatch.setattr(recipe, "FURTHER_GROUNDING_STEPS", 2)
    monkeypatch.setattr(recipe, "LESSON_CLIPS", 3)
    monkeypatch.setattr(recipe, "EXAM_CLIPS", 2)
    return Recipe(tmp_path / "run", 1, SHIPPED)


def test_it_begins_with_what_the_folder_has(small: Recipe) -> None:
    shipped, _ = recipe.trained_model(SHIPPED)
    for name, value in shipped.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(small.model.state_dict()[name], value, rtol=0, atol=0)


def test_it_looks_and_answers_on_and_sees_as_before(small: Recipe, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in small.model.state_dict().items()}
    small.train()
    moved = {name for name, value in small.model.state_dict().items() if not value.equal(before[name])}
    assert not any(name.startswith("vision") for name in moved)
    for part in ("question_encoder", "rods", "score_network", "language_model"):
        assert any(part in name for name in moved), part

    again = Recipe(small.work, 1, SHIPPED)
    assert again.load() == 2
    for name, value in small.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, rtol=0, atol=0)
    assert isinstance(again.lessons, ClipStore)
