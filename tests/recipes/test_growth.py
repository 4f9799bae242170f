"""A network that has grown computes what it did."""

from __future__ import annotations

from pathlib import Path

import torch

from dynfocus_tiny.growth import grown
from dynfocus_tiny.run import trained_model

SHIPPED = Path(__file__).parents[2] / "weights" / "dynfocus-tiny"


def test_new_layers_and_frames_change_nothing() -> None:
    model, _ = trained_model(SHIPPED)
    larger = grown(model, image_size=64, layers=6, max_frames=300, change_quantiles=(0.5, 0.8))
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(larger.encode_frames(pixels), model.encode_frames(pixels))
        shown = [each.connector.change for each in (larger, model)]
        rods, patches = torch.randn(1, 5, 2, 128), torch.randn(1, 5, 64, 128)
        torch.testing.assert_close(shown[0](rods, patches), shown[1](rods, patches))
        shown[0].strength_weights.fill_(1.0)
        assert not torch.allclose(shown[0](rods, patches), shown[1](rods, patches))
    assert larger.config.max_frames == 300
    assert larger.config.vision_config.num_hidden_layers == 6


def test_a_larger_picture_has_more_patches_at_places_in_between() -> None:
    model, _ = trained_model(SHIPPED)
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
