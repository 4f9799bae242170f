"""Whether a video is of a model's world: against the covariance by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.world_classifier import WorldClassifier

WIDTH = 6


def videos(count: int, seed: int = 0, offset: float = 0.0) -> list[Tensor]:
    """Videos of a world with correlated features of unequal size."""
    generator = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(99)))
    mix = turn * torch.arange(1, WIDTH + 1)
    return [torch.randn(5, 16, WIDTH, generator=generator) @ mix + 3.0 + offset for _ in range(count)]


def test_distance_is_mahalanobis() -> None:
    known = Familiarity.measure(videos(20), margin=1.25)
    patches = torch.cat([video.flatten(0, 1) for video in videos(20)[:10]]).double()
    inverse = torch.cov((patches - patches.mean(0)).T).inverse()
    probe = videos(1, seed=5)[0]
    offset = probe.flatten(0, 1).double() - patches.mean(0)
    expected = float(torch.einsum("nd,de,ne->n", offset, inverse, offset).mean() / WIDTH)
    assert known.distance(probe) == pytest.approx(expected, rel=1e-3)
    assert known.distance(probe) == pytest.approx(1.0, abs=0.3)


def test_threshold_is_the_farthest_of_the_second_half_and_a_margin() -> None:
    known = Familiarity.measure(videos(20), margin=1.25)
    farthest = max(known.distance(video) for video in videos(20)[10:])
    assert known.threshold == pytest.approx(1.25 * farthest)
    assert all(known.is_familiar(video) for video in videos(20, seed=3))
    assert not any(known.is_familiar(video) for video in videos(5, seed=3, offset=40.0))


def test_a_direction_that_the_world_never_uses_is_not_infinitely_far() -> None:
    flat = [torch.cat((video[..., :-1], torch.zeros(5, 16, 1)), dim=-1) for video in videos(20)]
    known = Familiarity.measure(flat, margin=1.25)
    nudged = flat[0].clone()
    nudged[..., -1] += 1e-3
    assert known.distance(nudged) == pytest.approx(known.distance(flat[0]), rel=1e-2)


def test_round_trip(tmp_path: Path) -> None:
    known = Familiarity.measure(videos(6), margin=1.25)
    known.save(tmp_path)
    loaded = Familiarity.load(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded.mean, known.mean)
    assert torch.equal(loaded.whitening, known.whitening)
    assert loaded.threshold == pytest.approx(known.threshold)
    probe = videos(1, seed=8)[0]
    assert loaded.distance(probe) == known.distance(probe)


def test_no_file_makes_no_claim(tmp_path: Path) -> None:
    assert Familiarity.load(tmp_path) is None


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "familiarity.safetensors").write_bytes(b"damaged" * 9)
    with pytest.raises(ModelUnavailable, match=r"familiarity\.safetensors cannot be used"):
        Familiarity.load(tmp_path)


def test_what_a_model_has_learned_from_since_is_familiar_and_what_lies_beyond_is_not() -> None:
    known = Familiarity.measure(videos(20), margin=1.25)
    others = [known.whitened(video) for video in videos(10, seed=5, offset=3.0)]
    inside = [known.whitened(video) for video in videos(20)]
    known = replace(known, classifier=WorldClassifier.fit(inside, others))
    learned = videos(1, seed=6, offset=3.0)[0]
    assert not known.is_familiar(learned)
    wider = known.widened(known.distance(learned), known.log_odds(learned))
    assert wider.is_familiar(learned)
    assert all(wider.is_familiar(video) for video in videos(20))
    assert not wider.is_familiar(videos(1, seed=7, offset=9.0)[0])
