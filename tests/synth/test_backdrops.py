"""Grounds to paint on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynfocus_cli.synth.backdrops import BACKDROPS, pictures
from dynfocus_cli.synth.world import write_script

GROUNDS = [scene.background for seed in range(12) for scene in write_script(seed).scenes]


@pytest.mark.parametrize("name", BACKDROPS)
@pytest.mark.parametrize("size", [(64, 64), (114, 64), (36, 64)])
def test_a_ground_fills_any_picture_and_is_always_the_same(name: str, size: tuple[int, int]) -> None:
    for ground in GROUNDS:
        pixels = BACKDROPS[name](ground, *size)
        assert pixels.shape == (size[1], size[0], 3)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, BACKDROPS[name](ground, *size))
        assert pixels.mean() < 175, "darker than what stands on it"


def test_textures_are_of_many_kinds_and_no_plain_colour() -> None:
    pixels = np.stack([BACKDROPS["textures"](ground, 64, 64) for ground in GROUNDS]).astype(float)
    assert (pixels.std((1, 2)).max(-1) > 3).all()
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(GROUNDS)


def test_pictures_are_cut_out_of_files_and_dimmed(tmp_path: Path) -> None:
    paths = []
    for name, color in (("light", (200, 100, 40)), ("dark", (20, 80, 160))):
        paths.append(tmp_path / f"{name}.png")
        Image.new("RGB", (90, 70), color).save(paths[-1])
    backdrop = pictures(paths, (0.5, 0.8))
    means = np.array([backdrop(ground, 64, 36).mean((0, 1)) for ground in GROUNDS])
    light, dark = means[means[:, 0] > means[:, 2]], means[means[:, 0] < means[:, 2]]
    assert len(light) > 5
    assert len(dark) > 5
    assert (light[:, 0] >= 99).all()
    assert (light[:, 0] <= 160).all()
