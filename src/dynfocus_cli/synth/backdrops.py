"""What scenes are painted on: the grounds that the world has always had, textures, and pictures."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dynfocus_cli.synth.world import Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

Backdrop = Callable[[Background, int, int], "NDArray[np.uint8]"]
"""(background, width, height) -> (height, width, 3) RGB."""

PAINTED, TEXTURES = "painted", "textures"
PICTURE_SIDE = 320
"""Pixels of a picture's shorter side that are kept."""


def painted(background: Background, width: int, height: int) -> NDArray[np.uint8]:
    """Plain, graded or noisy, as the background says."""
    first, second = (np.asarray(color, dtype=np.float32) for color in background.colors)
    if background.kind == "gradient":
        angle = background.texture_seed % 360 * math.pi / 180
        across, down = (np.linspace(-1.0, 1.0, side, dtype=np.float32) for side in (width, height))
        ramp = across[None, :] * math.cos(angle) + down[:, None] * math.sin(angle)
        ramp = (ramp - ramp.min()) / np.ptp(ramp)
        canvas = first + (second - first) * ramp[..., None]
    else:
        canvas = np.broadcast_to(first, (height, width, 3)).copy()
    if background.kind == "noise":
        rng = np.random.default_rng(background.texture_seed)
        grain = rng.normal(0.0, 14.0, (32, 32, 1)).astype(np.float32)
        repeats = -(-max(width, height) // 32)
        canvas += np.kron(grain[..., 0], np.ones((repeats, repeats), np.float32))[:height, :width, None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def textured(background: Background, width: int, height: int) -> NDArray[np.uint8]:
    """A texture between the background's two colours: stripes, checks, dots, bricks, clouds or waves."""
    rng = np.random.default_rng(background.texture_seed)
    first, second = (np.asarray(color, dtype=np.float32) for color in background.colors)
    share = _TEXTURES[int(rng.integers(len(_TEXTURES)))](rng, width, height)
    # Two that hardly differ would leave the ground plain.
    further = rng.uniform(15, 55)
    if second.mean() >= first.mean():
        second = second + np.float32(further)
    elif first.mean() < 60:  # there is not much that is darker
        second = first + np.float32(further)
    else:
        second = second - np.float32(further)
    return np.clip(first + (second - first) * share[..., None], 0, 170).astype(np.uint8)


def _plane(rng: np.random.Generator, width: int, height: int) -> tuple[NDArray, NDArray]:
    """Two coordinates that are turned by a random angle, in units of the shorter side."""
    angle = rng.uniform(0, math.pi)
    side = min(width, height)
    x, y = np.meshgrid(np.arange(width) / side, np.arange(height) / side)
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _stripes(rng: np.random.Generator, width: int, height: int) -> NDArray:
    across, _ = _plane(rng, width, height)
    return (np.sin(2 * math.pi * rng.uniform(3, 14) * across) > rng.uniform(-0.7, 0.7)).astype(np.float32)


def _checks(rng: np.random.Generator, width: int, height: int) -> NDArray:
    across, down = _plane(rng, width, height)
    count = rng.uniform(3, 14)
    return ((np.floor(across * count) + np.floor(down * count)) % 2).astype(np.float32)


def _dots(rng: np.random.Generator, width: int, height: int) -> NDArray:
    across, down = _plane(rng, width, height)
    count = rng.uniform(4, 14)
    near = np.hypot(across * count % 1 - 0.5, down * count % 1 - 0.5)
    return (near < rng.uniform(0.15, 0.4)).astype(np.float32)


def _bricks(rng: np.random.Generator, width: int, height: int) -> NDArray:
    rows = rng.uniform(5, 14)
    y = np.arange(height)[:, None] / min(width, height) * rows
    x = np.arange(width)[None, :] / min(width, height) * rows / 2 + np.floor(y) % 2 / 2
    return ((x % 1 < 0.08) | (np.broadcast_to(y % 1, x.shape) < 0.12)).astype(np.float32)


def _clouds(rng: np.random.Generator, width: int, height: int) -> NDArray:
    """Noise whose amplitude falls with a power of the frequency, as that of photographs does."""
    side = max(width, height)
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(side), np.fft.fftfreq(side)))
    spectrum = np.maximum(frequency, 1 / side) ** -rng.uniform(0.7, 2.2)
    phases = np.exp(2j * math.pi * rng.random(spectrum.shape))
    noise = np.fft.irfft2(spectrum * phases, s=(side, side))[:height, :width]
    noise = (noise - noise.mean()) / max(float(noise.std()), 1e-9)
    return np.clip(0.5 + rng.uniform(0.2, 0.45) * noise, 0, 1).astype(np.float32)


def _waves(rng: np.random.Generator, width: int, height: int) -> NDArray:
    across, down = _plane(rng, width, height)
    bent = across + rng.uniform(0.02, 0.1) * np.sin(2 * math.pi * rng.uniform(1, 4) * down)
    return (0.5 + 0.5 * np.sin(2 * math.pi * rng.uniform(2, 10) * bent)).astype(np.float32)


_TEXTURES = (_stripes, _checks, _dots, _bricks, _clouds, _waves)


def pictures(paths: Sequence[Path], dimmed: tuple[float, float]) -> Backdrop:
    """A backdrop of pictures from files: a scene has a random cut-out of one of them.

    Args:
        dimmed: least and largest share of its brightness that is left of a picture.
    """

    def backdrop(background: Background, width: int, height: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(background.texture_seed)
        picture = _picture(paths[int(rng.integers(len(paths)))])
        share = rng.uniform(0.35, 1.0)
        cut = min(picture.width / width, picture.height / height) * share
        left = rng.uniform(0, picture.width - cut * width)
        top = rng.uniform(0, picture.height - cut * height)
        box = (left, top, left + cut * width, top + cut * height)
        scaled = picture.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
        pixels = np.asarray(scaled, dtype=np.float32)
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return np.clip(pixels * np.float32(rng.uniform(*dimmed)), 0, 255).astype(np.uint8)

    return backdrop


@functools.lru_cache(maxsize=256)
def _picture(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    scale = PICTURE_SIDE / min(picture.size)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BOX)
    return picture


BACKDROPS: dict[str, Backdrop] = {PAINTED: painted, TEXTURES: textured}
"""Backdrops by name. A recipe adds the pictures that it trains on, and an exam those that it is held on."""
