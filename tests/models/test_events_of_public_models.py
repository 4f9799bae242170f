"""Density peaks over a public model's features, small or large."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynfocus_cli.models.vlm.frames import Grid
from dynfocus_cli.models.vlm.selection import distinctness, find_events
from dynfocus_cli.models.vlm.tokens import cones

BRIEF = 33
"""The frame that shows what no other does."""


@pytest.fixture
def features() -> Tensor:
    """(60, 16, 32): three scenes, the last one restless, and one frame of something else."""
    generator = torch.Generator().manual_seed(3)
    scenes = torch.randn(3, 16, 32, generator=generator)
    noise = torch.randn(60, 16, 32, generator=generator)
    restless = torch.tensor([0.05] * 20 + [0.1] * 20 + [0.4] * 20)[:, None, None]
    frames = scenes.repeat_interleave(20, dim=0) + restless * noise
    frames[BRIEF] = torch.randn(16, 32, generator=generator)
    return frames


@pytest.mark.parametrize("scale", [0.01, 1.0, 3.0, 10.0, 100.0])
def test_scenes_and_brief_events_are_events(features: Tensor, scale: float) -> None:
    clusters = find_events(scale * features, 8, None)

    centres = clusters.centres[0]
    assert BRIEF in centres.tolist()
    assert {centre // 20 for centre in centres.tolist() if centre != BRIEF} == {0, 1, 2}
    best = centres[distinctness(clusters).topk(4).indices].tolist()
    assert BRIEF in best
    assert len({centre // 20 for centre in best if centre != BRIEF}) == 3


def test_cones_of_a_thing_hold_little_else() -> None:
    generator = torch.Generator().manual_seed(4)
    background, thing = torch.randn(2, 64, generator=generator)
    tokens = background + 0.2 * torch.randn(1, 36, 64, generator=generator)
    tokens[0, [14, 15, 20]] = thing

    for scale in (0.01, 1.0, 4.0, 40.0):
        means, _ = cones(scale * tokens, Grid(6, 6), 8)
        nearest = ((means[0] / scale - thing).norm(dim=-1) / (background - thing).norm()).min()
        assert float(nearest) < 0.05, scale


def test_a_still_video_has_events_too() -> None:
    clusters = find_events(torch.ones(5, 4, 8), 3, None)

    assert clusters.centres[0].tolist() == [0, 1, 2]
    assert torch.isfinite(distinctness(clusters)).all()
