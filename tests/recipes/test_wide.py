"""The widened recipe, from the shipped network to a model folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

import dynfocus_cli
from dynfocus_cli.synth.look import WIDE_LOOKS
from dynfocus_cli.synth.unanswerable import CANNOT_TELL
from dynfocus_cli.synth.world import World, write_script
from dynfocus_cli.synth.write import write_video
from dynfocus_tiny import domain, wide
from dynfocus_tiny.curriculum import Phase
from dynfocus_tiny.growth import COMPARE
from dynfocus_tiny.wide import WideRecipe
from dynfocus_tiny.workers import Worker

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"
SHIPPED = Path(__file__).parents[2] / "weights" / "dynfocus-tiny"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WideRecipe:
    """A run with two lessons in each stage."""
    for name, value in {
        "READ_OUT_STEPS": 1,
        "VISION_STEPS": 2,
        "VISION_BATCH": 2,
        "GROUNDING_STEPS": 2,
        "TRAINING_CLIPS": 3,
        "VALIDATION_CLIPS": 2,
        "OLD_VALIDATION_CLIPS": 2,
        "CURRICULUM": (Phase("again", 2, (4, 8), 4, (1,), 1e-3),),
    }.items():
        monkeypatch.setattr(wide, name, value)
    monkeypatch.setattr(domain, "CLIPS", 8)
    monkeypatch.setattr(domain, "QUESTION_CLIPS", 8)
    return WideRecipe(tmp_path / "run", 1, OLD_WORLD, tmp_path / "no materials")


def test_a_folder_is_one_run_s(small: WideRecipe, tmp_path: Path) -> None:
    WideRecipe(small.work, 1, OLD_WORLD, tmp_path)
    with pytest.raises(SystemExit, match=r"is a run of .* name another --work"):
        WideRecipe(small.work, 2, OLD_WORLD, tmp_path)


def test_workers_have_clips_and_checkpoints_of_their_own(small: WideRecipe, tmp_path: Path) -> None:
    shared, clips = tmp_path / "shared", {"clips": 8, "first_clip": 70}
    recipes = [WideRecipe(shared, 1, OLD_WORLD, tmp_path, **clips, worker=Worker(rank, 2)) for rank in (0, 1)]
    assert [recipe.training.first_seed for recipe in recipes] == [70, 74]
    assert [len(recipe.training.scripts) for recipe in recipes] == [4, 4]
    assert [recipe.work for recipe in recipes] == [shared, shared / "worker-1"]
    with pytest.raises(SystemExit, match="name another --work"):
        WideRecipe(shared, 1, OLD_WORLD, tmp_path, **clips)
    with pytest.raises(SystemExit, match="7 clips cannot be shared equally among 2 workers"):
        WideRecipe(tmp_path / "uneven", 1, OLD_WORLD, tmp_path, clips=7, worker=Worker(0, 2))


@pytest.mark.slow
def test_every_stage_learns_and_what_comes_out_answers_wide_clips(small: WideRecipe, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in small.model.state_dict().items()}
    small.train()
    moved = {name for name, value in small.model.state_dict().items() if not value.equal(before[name])}
    for part in ("vision", "question_encoder", "rods", "score_network", "language_model"):
        assert any(part in name for name in moved), part
    again = WideRecipe(small.work, 1, OLD_WORLD, tmp_path)
    assert again.load() == {"vision": 2, "grounding": 2, "answers": 2}
    assert all(
        value.equal(small.model.state_dict()[name]) for name, value in again.model.state_dict().items()
    )

    again.export(tmp_path / "model")
    stages = [json.loads(line)["stage"] for line in (tmp_path / "model" / "training_log.jsonl").open()]
    assert stages == ["grounding", "answers", "answers"]  # validations: on its own clips, and on the old ones
    script = write_script(1, world=World(durations_s=(16, 16), radii=(0.1, 0.2)))
    clip = tmp_path / "clip.mp4"
    write_video(script, clip, size=64, fps=2, look=WIDE_LOOKS["9:16"])
    assert again.model.config.abstention == "cannot tell"
    loaded = dynfocus_cli.load(str(tmp_path / "model"), device="cpu")
    result = loaded.ask(str(clip), "What is shown at 00:04?")
    assert result.evidence.tokens.all_patches == 144 * len(result.evidence.frames)
    assert result.evidence.in_domain is not None


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_wide_network_sees_and_looks_as_that_did(
    small: WideRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.train()
    small.export(tmp_path / "model")
    further: dict[str, Any] = {"vision_steps": 0, "grounding_steps": 0}
    again = WideRecipe(tmp_path / "further", 2, tmp_path / "model", tmp_path / "no materials", **further)
    begun = {name: value.clone() for name, value in again.model.state_dict().items()}
    for name, value in small.model.state_dict().items():
        torch.testing.assert_close(begun[name], value.float())
    again.train()
    moved = {name for name, value in again.model.state_dict().items() if not value.equal(begun[name])}
    assert any(name.startswith("language_model") for name in moved)
    assert not any(
        name.startswith(("vision", "connector.question_encoder", "connector.rods")) for name in moved
    )
    assert again.load() == {"vision": 0, "grounding": 0, "answers": 2}


def test_weights_are_moved_towards_those_that_training_began_with() -> None:
    trained, begun = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    torch.nn.init.constant_(trained.weight, 10.0)
    torch.nn.init.constant_(begun.weight, 0.0)
    wide.blend(trained, begun, 0.4)
    assert trained.weight.tolist() == [[6.0, 6.0]]
    assert begun.weight.tolist() == [[0.0, 0.0]]
    with pytest.raises(SystemExit, match="of the same size"):
        wide.blend(trained, torch.nn.Linear(3, 1), 0.4)


def test_phases_have_the_steps_that_are_given() -> None:
    few, many = Phase("few", 5, (4,), 4, (1,), 1e-3), Phase("many", 9, (8,), 4, (1,), 1e-3)
    assert wide.with_steps((few, many), []) == (few, many)
    assert wide.with_steps((few, many), ["few=0", "many=3"]) == (replace(many, steps=3),)
    for wrong in ("none=3", "few", "few=-1"):
        with pytest.raises(SystemExit, match="is not one of few, many"):
            wide.with_steps((few, many), [wrong])


def test_what_is_kept_of_a_run_is_what_the_next_one_begins_with(tmp_path: Path) -> None:
    kept = load_file(SHIPPED / "model.safetensors")
    begun = WideRecipe(tmp_path / "run", 2, SHIPPED, tmp_path / "no materials").model
    assert begun.config.abstention == CANNOT_TELL
    for name, value in begun.state_dict().items():
        if name in kept:
            known = kept[name].float()
            if name == COMPARE:
                known = F.pad(known, (0, value.shape[-1] - known.shape[-1]))  # of quantiles that are new
            torch.testing.assert_close(value, known, rtol=0, atol=0)


@pytest.mark.slow
def test_it_cannot_tell_what_no_clip_says(tmp_path: Path) -> None:
    model = dynfocus_cli.load(str(SHIPPED), device="cpu")
    clip = tmp_path / "clip.mp4"
    write_video(write_script(1), clip, look=WIDE_LOOKS["16:9"])
    nonsense = model.ask(str(clip), "Who is the president of France?")
    assert nonsense.answer == CANNOT_TELL
    assert nonsense.evidence.in_domain is False
    assert model.ask(str(clip), "How many scenes are there?").evidence.in_domain is True
