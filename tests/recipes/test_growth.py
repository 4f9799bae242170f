"""A network that has grown computes what it did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynfocus_cli.cce.change import KINDS
from dynfocus_tiny.growth import grown
from dynfocus_tiny.run import trained_model

OLD_WORLD = Path(__file__).parents[2] / "weights" / "old-world" / "model"


def test_new_layers_and_frames_change_nothing() -> None:
    model, _ = trained_model(OLD_WORLD)
    larger = grown(model, image_size=64, layers=6, max_frames=300)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(larger.encode_frames(pixels), model.encode_frames(pixels))
    assert larger.config.max_frames == 300
    assert larger.config.vision_config.num_hidden_layers == 6


def test_new_quantiles_of_change_say_nothing_yet_and_are_read() -> None:
    model, _ = trained_model(OLD_WORLD)
    larger = grown(model, image_size=64, layers=4, max_frames=128, change_quantiles=(0.5, 0.8))
    noise = torch.Generator().manual_seed(0)
    rods, patches = torch.randn(1, 5, 2, 128, generator=noise), torch.randn(1, 5, 64, 128, generator=noise)
    before, after = model.connector.change, larger.connector.change
    with torch.no_grad():
        torch.testing.assert_close(after(rods, patches), before(rods, patches))
        after.strength_weights[:, 2 * KINDS :].fill_(1.0)
        assert not torch.allclose(after(rods, patches), before(rods, patches))
    assert grown(larger, image_size=64, layers=4, max_frames=300).config.change_quantiles == (0.5, 0.8)
    with pytest.raises(ValueError, match=r"learned from the quantiles \(0\.5, 0\.8\)"):
        grown(larger, image_size=64, layers=4, max_frames=300, change_quantiles=(0.3, 0.8))


def test_a_network_with_plain_rods_grows_without_change() -> None:
    model, _ = trained_model(OLD_WORLD.parents[1] / "plain-rods" / "model")
    larger = grown(model, image_size=96, layers=4, max_frames=300, change_quantiles=(0.5,))
    assert larger.connector.change is None


def test_a_larger_picture_has_more_patches_at_places_in_between() -> None:
    model, _ = trained_model(OLD_WORLD)
    larger = grown(model, image_size=96, layers=4, max_frames=300)
    assert larger.config.patches == 144
    before, after = (m.vision.embeddings.position_embedding[0] for m in (model, larger))
    torch.testing.assert_close(after[0], before[0])
    # The middle of the picture, between the four patches that are there in either grid.
    middle = [before[1 + 8 * row + column] for row in (3, 4) for column in (3, 4)]
    now = [after[1 + 12 * row + column] for row in (5, 6) for column in (5, 6)]
    torch.testing.assert_close(torch.stack(now).mean(0), torch.stack(middle).mean(0), atol=0.2, rtol=0)
    with torch.no_grad():
        assert larger.encode_frames(torch.zeros(1, 3, 96, 96)).shape == (1, 144, 128)
