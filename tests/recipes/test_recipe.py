"""A run that goes on from a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.synth.world import MAX_SCENES
from dynfocus_tiny import domain, recipe
from dynfocus_tiny.curriculum import Phase
from dynfocus_tiny.recipe import Recipe

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recipe:
    """The shipped network before two more lessons each of looking and of answering."""
    monkeypatch.setattr(recipe, "FURTHER", (Phase("again", 2, (4,), 4, (1,), 1e-3),))
    monkeypatch.setattr(recipe, "FURTHER_GROUNDING_STEPS", 2)
    monkeypatch.setattr(recipe, "TRAINING_CLIPS", 3)
    monkeypatch.setattr(recipe, "VALIDATION_CLIPS", 2)
    monkeypatch.setattr(domain, "CLIPS", 8)
    monkeypatch.setattr(domain, "QUESTION_CLIPS", 8)
    return Recipe(tmp_path / "run", 1, OLD_WORLD)


def test_it_begins_with_what_the_folder_has(small: Recipe) -> None:
    begun_with = load_file(OLD_WORLD / "model.safetensors")
    begun = small.model.state_dict()
    assert {value.dtype for value in begun.values()} == {torch.float32}
    for name, value in begun_with.items():
        torch.testing.assert_close(begun[name], value.float(), rtol=0, atol=0)
    untied = begun.keys() - begun_with.keys()
    assert untied == {"language_model.lm_head.weight"}


def test_a_folder_is_one_runs(small: Recipe) -> None:
    Recipe(small.work, 1, OLD_WORLD)
    for seed, start, share, focus in (
        (2, OLD_WORLD, 1.0, ()),
        (1, None, 1.0, ()),
        (1, OLD_WORLD, 0.5, ()),
        (1, OLD_WORLD, 1.0, ("before",)),
    ):
        with pytest.raises(SystemExit, match=r"is a run of .* name another --work"):
            Recipe(small.work, seed, start, share=share, focus=focus)


def test_less_time_is_a_share_of_each_phase(small: Recipe, tmp_path: Path) -> None:
    assert small.curriculum_model().steps == 2
    shorter = Recipe(tmp_path / "shorter", 1, OLD_WORLD, share=0.5)
    assert shorter.curriculum_model().steps == 1


@pytest.mark.slow
def test_numbers_of_shots_that_no_clip_had_are_the_last_ones(small: Recipe, tmp_path: Path) -> None:
    small.export(tmp_path / "out")
    assert DynFocusConfig.from_pretrained(tmp_path / "out") == DynFocusConfig.from_pretrained(OLD_WORLD)
    for file in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        assert (tmp_path / "out" / file).read_text() == (OLD_WORLD / file).read_text()
    numbers = load_file(tmp_path / "out" / "model.safetensors")["connector.change.shots.number.weight"]
    assert numbers[MAX_SCENES - 2].ne(numbers[MAX_SCENES - 1]).any()
    assert numbers[MAX_SCENES:].eq(numbers[MAX_SCENES - 1]).all()


@pytest.mark.slow
def test_it_looks_and_answers_on_and_sees_as_before(small: Recipe, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in small.model.state_dict().items()}
    small.train()
    moved = {name for name, value in small.model.state_dict().items() if not value.equal(before[name])}
    assert not any(name.startswith("vision") for name in moved)
    for part in ("question_encoder", "rods", "score_network", "language_model"):
        assert any(part in name for name in moved), part

    again = Recipe(small.work, 1, OLD_WORLD)
    assert again.load() == {"grounding": 2, "answers": 2}
    for name, value in small.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, rtol=0, atol=0)


def test_halfway_between_what_was_and_what_came(small: Recipe) -> None:
    begun = {name: value.clone() for name, value in small.model.state_dict().items()}
    with torch.no_grad():
        for value in small.model.parameters():
            value.add_(1.0)
    small.average_with_start()
    for name, value in small.model.named_parameters(remove_duplicate=False):
        torch.testing.assert_close(value, begun[name] + 0.5)
