"""Features on another scale: the network computes what it did, but for what density peaks choose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.stages import Question
from dynfocus_tiny.feature_scale import DEVIATION, NEIGHBOURS, deviation, divide_features
from dynfocus_tiny.frames import draw_old
from dynfocus_tiny.run import trained_model
from dynfocus_tiny.vision import draw_batch

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"
PREPROCESSING = Preprocessing(64, "squash")


@pytest.fixture
def model() -> DynFocusModel:
    return trained_model(OLD_WORLD)[0]


@torch.no_grad()
def test_all_that_reads_features_reads_what_it_did(model: DynFocusModel) -> None:
    pixels, _ = draw_batch(random.Random(1), 4, 64, 8)
    connector, question = model.connector, Question(torch.tensor([[5, 6, 7]]), torch.ones(1, 3).bool())

    def reading() -> dict[str, torch.Tensor]:
        patches = model.encode_frames(PREPROCESSING(pixels)).unsqueeze(0)
        features = connector.prepare(patches)
        queries = connector.read(features, question)
        points = features.patches[0]
        return {
            "patches": features.patches,
            "queries": queries,
            "attention": connector.rods.attention(queries[0], points),
            "fine": connector.fine(points),
            "coarse": connector.coarse(points),
        }

    before = reading()
    divide_features(model, 2.5)
    after = reading()
    torch.testing.assert_close(after.pop("patches"), before.pop("patches") / 2.5, rtol=1e-3, atol=1e-3)
    for name, values in before.items():
        torch.testing.assert_close(
            after[name], values, rtol=1e-3, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert tuple(model.config.spatial_neighbours) == NEIGHBOURS


def test_the_divisor_brings_the_deviation_to_where_prototypes_are_pure(model: DynFocusModel) -> None:
    divide_features(model, deviation(model, PREPROCESSING, draw_old, 1) / DEVIATION)
    assert deviation(model, PREPROCESSING, draw_old, 1) == pytest.approx(DEVIATION, rel=1e-3)
    assert deviation(model, PREPROCESSING, draw_old, 2) == pytest.approx(DEVIATION, rel=0.1)


@torch.no_grad()
def test_a_prototype_is_of_one_thing(model: DynFocusModel) -> None:
    """Of the patches that a thing covers, the prototype that holds most holds little else."""
    pixels, labels = draw_batch(random.Random(2), 64, 64, 8)
    covered = torch.from_numpy(labels)[..., 0] < labels[..., 0].max()

    def purity() -> float:
        patches = model.encode_frames(PREPROCESSING(pixels)).unsqueeze(0)
        features = model.connector.prepare(patches)
        fine = features.prototypes[0, :, :16]
        nearest = torch.cdist(features.patches[0], fine).argmin(-1)  # (T, N)
        members = torch.nn.functional.one_hot(nearest, 16).float()
        things = (members * covered.unsqueeze(-1)).sum(1)
        return float((things.amax(1) / members.sum(1).gather(1, things.argmax(1, keepdim=True))[:, 0]).mean())

    before = purity()
    divide_features(model, deviation(model, PREPROCESSING, draw_old, 1) / DEVIATION)
    assert purity() > before
