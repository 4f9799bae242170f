"""The recipe of a network with the paper's rods, from the shipped network's eyes to a model folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dynfocus_tiny import domain, plain
from dynfocus_tiny.curriculum import Phase
from dynfocus_tiny.grounding import grounded_parts
from dynfocus_tiny.plain import PlainRecipe
from dynfocus_tiny.run import trained_model

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"
PHASES = (Phase("few", 2, (4, 8), 4, (1,), 1e-3),)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PlainRecipe:
    """A run with two lessons in each stage."""
    for name, value in {
        "READ_OUT_STEPS": 2,
        "VISION_BATCH": 2,
        "TRAINING_CLIPS": 3,
        "VALIDATION_CLIPS": 2,
    }.items():
        monkeypatch.setattr(plain, name, value)
    monkeypatch.setattr(domain, "CLIPS", 8)
    monkeypatch.setattr(domain, "QUESTION_CLIPS", 8)
    return PlainRecipe(tmp_path / "run", 1, OLD_WORLD, PHASES)


def test_rods_hold_their_own_frame_alone_and_what_sees_and_looks_is_taken(small: PlainRecipe) -> None:
    trained, _ = trained_model(OLD_WORLD)
    model = small.model
    assert model.connector.change is None
    assert (model.config.change_window, model.config.change_shots) == (0, 0)
    for own, other in ((model.vision, trained.vision), (grounded_parts(model), grounded_parts(trained))):
        for name, value in other.state_dict().items():
            assert torch.equal(own.state_dict()[name], value), name
    assert not torch.equal(model.language_model.model.norm.weight, trained.language_model.model.norm.weight)
    features = model.connector.prepare(torch.randn(1, 6, 64, 128))
    queries = torch.randn(1, 6, model.config.num_query_tokens, 128)
    rods = model.connector._rods(features.patches, queries, features.patches)
    for frame in range(6):
        alone = slice(frame, frame + 1)
        own = model.connector._rods(features.patches[:, alone], queries[:, alone])
        torch.testing.assert_close(rods[:, alone], own)


def test_the_other_side_begins_alike_with_change(small: PlainRecipe, tmp_path: Path) -> None:
    model = PlainRecipe(tmp_path / "other", 1, OLD_WORLD, PHASES, change=True).model
    trained, _ = trained_model(OLD_WORLD)
    assert model.config == trained.config
    assert model.connector.change is not None
    assert torch.equal(
        model.connector.rods.state_dict()["query.weight"],
        small.model.connector.rods.state_dict()["query.weight"],
    )
    assert not torch.equal(model.language_model.model.norm.weight, trained.language_model.model.norm.weight)


def test_a_folder_is_one_run_s(small: PlainRecipe) -> None:
    PlainRecipe(small.work, 1, OLD_WORLD, PHASES)
    with pytest.raises(SystemExit, match="is a run of"):
        PlainRecipe(small.work, 1, OLD_WORLD, PHASES, change=True)
    with pytest.raises(SystemExit, match=r"is a run of .* name another --work"):
        PlainRecipe(small.work, 1, OLD_WORLD, (*PHASES, *PHASES))


@pytest.mark.slow
def test_what_is_new_learns_and_what_sees_stays(small: PlainRecipe, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in small.model.state_dict().items()}
    small.train()
    moved = {name for name, value in small.model.state_dict().items() if not value.equal(before[name])}
    assert not any(name.startswith("vision") for name in moved)
    assert not any("question_encoder" in name or "connector.rods" in name for name in moved)
    for part in ("fine", "coarse", "language_model", "score_network"):
        assert any(part in name for name in moved), part
    again = PlainRecipe(small.work, 1, OLD_WORLD, PHASES)
    assert again.load() == {"vision": 2, "answers": 2}
    assert all(
        value.equal(small.model.state_dict()[name]) for name, value in again.model.state_dict().items()
    )
    again.export(tmp_path / "model")
    stages = [json.loads(line)["stage"] for line in (tmp_path / "model" / "training_log.jsonl").open()]
    assert stages == ["answers"]
