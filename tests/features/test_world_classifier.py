"""Telling frames of one world from others that a Gaussian of their patches cannot tell apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynfocus_cli.features.world_classifier import WorldClassifier, summary

PATCHES, WIDTH = 16, 6


def videos(count: int, seed: int, things: int) -> list[Tensor]:
    """Frames of noise in which `things` patches stand out, scaled so that their mean square is always 1."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        video = torch.randn(5, PATCHES, WIDTH, generator=generator)
        video[:, :things] += 4.0
        made.append(video / video.square().mean().sqrt())
    return made


def fitted() -> WorldClassifier:
    return WorldClassifier.fit(videos(40, 0, 4), videos(40, 1, 1))


def test_another_world_lies_below_the_least() -> None:
    classifier = fitted()
    assert all(classifier.log_odds(video) >= classifier.least for video in videos(20, 3, 4))
    assert not any(classifier.log_odds(video) >= classifier.least for video in videos(20, 4, 1))


def test_fits_are_equal_every_time() -> None:
    one, other = fitted(), fitted()
    assert torch.equal(one.weights, other.weights)
    assert one.bias == other.bias


def test_summary_of_a_frame_by_hand() -> None:
    frame = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]])  # (1, 3, 2); the median patch is (0, 0)
    expected = torch.tensor(
        [[1.0, 4 / 3, 3.0, 4.0, 0.0, 0.0, torch.tensor(12.5).log(), -6.907755, -6.907755]]
    )
    torch.testing.assert_close(summary(frame), expected)


def test_what_is_stored_is_what_was_fitted() -> None:
    classifier = fitted()
    again = WorldClassifier.of(classifier.tensors())
    probe = videos(1, 9, 2)[0]
    assert again.log_odds(probe) == pytest.approx(classifier.log_odds(probe), abs=1e-5)
    assert again.fits(3 * WIDTH + PATCHES)
    assert not again.fits(3 * WIDTH + PATCHES + 1)
