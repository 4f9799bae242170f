"""Pixels to the vision encoder's input, and the file that says how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.preprocess import FILE_NAME, Preprocessing


def test_equals_the_plain_formula() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    how = Preprocessing(8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    found = how(pixels)
    assert found.shape == (2, 3, 8, 8)
    assert found.dtype == torch.float32
    for channel in range(3):
        plain = (pixels[..., channel] / 255.0 - how.mean[channel]) / how.std[channel]
        assert_close(found[:, channel], torch.from_numpy(plain).float())


def test_round_trip(tmp_path: Path) -> None:
    how = Preprocessing(64, "squash", (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    how.save(tmp_path)
    assert Preprocessing.load(tmp_path) == how


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": 1.5},
        {"size": "64"},
        {"fit": "zoom"},
        {"mean": [0.0]},
        {"mean": "abc"},
        {"mean": 1},
        {"std": [1.0, 1.0, 0.0]},
        {"std": [1.0, 1.0, 1.0, 1.0]},
        {"resample": 3},
    ],
    ids=str,
)
def test_nonsense_is_refused_at_the_door(tmp_path: Path, changes: dict) -> None:
    Preprocessing().save(tmp_path)
    fields = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps(fields | changes))
    with pytest.raises(ModelUnavailable, match=FILE_NAME):
        Preprocessing.load(tmp_path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="No such file"):
        Preprocessing.load(tmp_path)
