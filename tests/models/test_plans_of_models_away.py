"""Dry runs of models that are still to be fetched: by published configs, without weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel
from typer.testing import CliRunner

from dynfocus_cli import RunOptions, pipeline
from dynfocus_cli.checkpoints.entries import ENTRIES, published_folder
from dynfocus_cli.checkpoints.estimated_tokenizer import EstimatedTokenizer
from dynfocus_cli.checkpoints.families import FAMILIES, SELECTORS
from dynfocus_cli.cli.app import app
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.models.families import family_class
from dynfocus_cli.models.open import read_model_spec
from dynfocus_cli.models.protocol import ModelSpec
from dynfocus_cli.models.vlm.skeleton import skeleton
from dynfocus_cli.pipeline import dry_run
from dynfocus_cli.types import Option, Quantization
from strict_schema import validate

pytestmark = pytest.mark.slow

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.mp4"
QUESTION = "What color is the heart at 00:12?"
PULLED = [name for name, entry in ENTRIES.items() if entry.repositories]
ANSWERING = [name for name in PULLED if ENTRIES[name].family not in SELECTORS]


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(dry_run, "free_memory", lambda device: 200 << 30)


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of 8B take their time; what is timed is another test's."""
    monkeypatch.setattr("dynfocus_cli.models.speed._Timer.__call__", lambda *_: 0.001)


@pytest.mark.parametrize("name", [name for name in PULLED if ENTRIES[name].family in FAMILIES])
def test_a_published_config_has_the_parameters_that_the_hub_states(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.family is not None
    assert entry.footprint is not None
    config: Any = AutoConfig.from_pretrained(published_folder(name))
    sizes = skeleton(config, family_class(entry.family).vision)
    parameters = sum(map(math.prod, sizes.shapes.values()))
    layers = sum(math.prod(sizes.shapes[key]) for key in sizes.quantizable)
    assert parameters == pytest.approx(entry.footprint.parameters, rel=1e-3)
    assert layers == pytest.approx(entry.footprint.layers, rel=2e-3)


def test_the_selectors_config_has_the_size_of_its_file() -> None:
    entry = ENTRIES["siglip2-base"]
    with torch.device("meta"):
        network = AutoModel.from_config(AutoConfig.from_pretrained(published_folder(entry.name)))
    stored = 4 * sum(parameter.numel() for parameter in network.parameters())
    assert stored == pytest.approx(entry.bytes, rel=0.01)


def planned(name: str, kind: Quantization | None = None, selector: str | None = None) -> ModelSpec:
    return read_model_spec(name, "cpu", kind, selector, may_be_away=True)


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("name", ANSWERING)
def test_every_model_of_the_list_can_be_planned_before_it_is_fetched(name: str) -> None:
    plain, more = (planned(name, kind) for kind in (None, "nf4"))
    plan = pipeline.forecast(str(DEMO), QUESTION, plain, RunOptions())
    assert plan.model.name == name
    assert plan.warnings[0].startswith(f"{name} is not here, so this is planned by its published sizes")
    assert f"`dynfocus models pull {name}`" in plan.warnings[0]
    assert plan.selection.key_frames >= 1
    choices = tuple(Option(letter, "a red heart beside a blue circle " * 5) for letter in "AB")
    chosen = pipeline.forecast(str(DEMO), QUESTION, plain, RunOptions(), choices)
    if ENTRIES[name].family is not None:
        assert chosen.tokens.prompt > plan.tokens.prompt + 40
        assert more.memory.weights < 0.8 * plain.memory.weights


@pytest.mark.usefixtures("untimed")
def test_a_selector_that_is_away_counts_too() -> None:
    alone = planned("Qwen/Qwen3-VL-2B-Instruct", "nf4")
    assert alone.name == "qwen3-vl-2b"
    both = planned("qwen3-vl-2b", "nf4", "google/siglip2-base-patch16-224")
    assert both.memory.weights - alone.memory.weights in (375_187_970 * 2, 375_187_970 * 4)
    plan = pipeline.forecast(str(DEMO), QUESTION, both, RunOptions())
    assert plan.selection.scorer == "question"
    assert "siglip2-base is not here" in plan.warnings[0]
    assert plan.memory.peak > pipeline.forecast(str(DEMO), QUESTION, alone, RunOptions()).memory.peak


def test_what_cannot_be_planned_is_said() -> None:
    with pytest.raises(ModelUnavailable, match="with `selector`"):
        planned("siglip2-base")
    with pytest.raises(UsageError, match="dynfocus-7b ranks events itself"):
        planned("dynfocus-7b", None, "siglip2-base")
    with pytest.raises(ModelUnavailable, match="No model 'nothing'"):
        planned("nothing")


@pytest.mark.usefixtures("untimed")
def test_the_command_plans_and_a_run_does_not_begin() -> None:
    arguments = ["ask", str(DEMO), QUESTION, "--model", "smolvlm2-500m", "--device", "cpu"]
    planned = CliRunner().invoke(app, [*arguments, "--dry-run", "--json"])
    assert planned.exit_code == 0, planned.stderr
    record = json.loads(planned.stdout)
    validate(record)
    assert (record["tokens"]["per_key_frame"], record["tokens"]["per_other_frame"]) == (64, 0)
    assert CliRunner().invoke(app, arguments).exit_code == ModelUnavailable.exit_code


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("What color is the heart?", 8),
        ("<12.5 seconds><|vision_start|>", 9),
        ("Где собака?", 10),
        ("00:12", 5),
    ],
)
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert len(EstimatedTokenizer()(text)["input_ids"]) == tokens
