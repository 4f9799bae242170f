"""What is said of a `config.json` that cannot be used: the field and its value, not a validator's report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from dynfocus_cli.checkpoints.describe import describe
from dynfocus_cli.checkpoints.registry import find_model
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import Scorer


@pytest.mark.parametrize(
    ("part", "field", "value", "said"),
    [
        ("text_config", "hidden_size", "x", "hidden_size must be int, got 'x'."),
        ("text_config", "num_attention_heads", 1.5, "num_attention_heads must be int, got 1.5."),
        (
            "text_config",
            "rope_parameters",
            {"rope_type": "foo"},
            "rope_type must be one of default, linear, got",
        ),
        ("", "scorer", "foo", f"scorer must be one of {', '.join(get_args(Scorer))}, got 'foo'."),
        ("", "prototypes", "a", "prototypes must be a whole number above 0, got 'a'."),
    ],
)
def test_the_field_and_its_value_are_named(tmp_path, part, field, value, said):
    _, bundled = find_model("dynfocus-tiny")
    folder = tmp_path / "model"
    shutil.copytree(bundled, folder, copy_function=shutil.copyfile)
    path = Path(folder, "config.json")
    config = json.loads(path.read_text())
    (config[part] if part else config)[field] = value
    path.write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable) as told:
        describe("model", folder)
    assert str(told.value).startswith(f"The config.json in {folder} cannot be used: {said}")
    assert "alidation error" not in str(told.value)
