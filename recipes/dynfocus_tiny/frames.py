"""Frames as the vision encoder sees them in training: painted, scaled as by a decoder, slightly damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.render import coverage, render_frame
from dynfocus_cli.synth.world import SHORT, Script, Sighting, World
from dynfocus_cli.video.frame_converter import contained, letterboxed
from dynfocus_tiny.looks import training_look
from dynfocus_tiny.materials import Materials
from dynfocus_tiny.wide_looks import wide_look, world_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = 0.12
"""Largest radius of small things, as a share of the picture's shorter side."""
OVERSIZE = 2
"""How many times as large as the encoder's input frames are painted."""

DrawWorld = Callable[[random.Random], tuple[World, Look]]
"""Draws what a clip is made of: the world of its script, and its look."""


def draw_old(rng: random.Random) -> tuple[World, Look]:
    """The world that `dynfocus-tiny` began with, in the looks of real files."""
    return SHORT, training_look(rng)


def draw_wide(materials: Materials) -> DrawWorld:
    """The widened world, painted with these fonts and pictures."""

    def draw(rng: random.Random) -> tuple[World, Look]:
        look = wide_look(rng, materials)
        return world_for(look, rng), look

    return draw


def more_small(draw: DrawWorld) -> DrawWorld:
    """The same, but half of the worlds that have things of many sizes have small ones alone."""

    def drawn(rng: random.Random) -> tuple[World, Look]:
        world, look = draw(rng)
        least, largest = world.radii
        if world.is_wide() and rng.random() < 0.5:
            world = replace(world, radii=(least, min(largest, max(2 * least, SMALL))))
        return world, look

    return drawn


def film(script: Script, time_s: float, look: Look, size: int, rng: random.Random) -> NDArray[np.uint8]:
    """The frame at `time_s` seconds between black bars, `(size, size, 3)`: those of the encoder, which keeps
    proportions."""
    frame = render_frame(script, time_s, _painted_side(look, size), look)
    return letterboxed(augment(frame, _fitted(look, size), rng), size, size)


def film_mask(seen: Sighting, look: Look, size: int) -> NDArray[np.float32]:
    """How much of each pixel of such a frame a thing covers: `(size, size)`, 0 to 1."""
    mask = Image.fromarray(coverage(seen, _painted_side(look, size), look))
    scaled = np.asarray(mask.resize(_fitted(look, size), Image.Resampling.BOX))
    return letterboxed(scaled[..., None], size, size)[..., 0].astype(np.float32) / 255.0


def _painted_side(look: Look, size: int) -> int:
    """Pixels of the shorter side of the picture to paint, so that the frame is `OVERSIZE` times as large."""
    share = 1000 / max(look.frame_size(1000))
    return max(2, round(OVERSIZE * size * share))


def _fitted(look: Look, size: int) -> tuple[int, int]:
    return contained(look.frame_size(1000), (size, size))


def augment(frame: NDArray, size: tuple[int, int], rng: random.Random) -> NDArray:
    """A frame scaled to (width, height) as by a decoder, with the small damage that codecs and cameras do."""
    resample = rng.choice((Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR))
    scaled = np.asarray(Image.fromarray(frame).resize(size, resample), dtype=np.float32)
    noise = np.random.default_rng(rng.getrandbits(32))
    gain = noise.normal(1.0, 0.04) * noise.normal(1.0, 0.02, 3)
    offset = noise.normal(0.0, 5.0)
    scaled = scaled * gain.astype(np.float32) + np.float32(offset)
    if rng.random() < 0.5:
        scaled += noise.normal(0.0, rng.uniform(0.0, 6.0), scaled.shape).astype(np.float32)
    return np.clip(scaled, 0, 255).astype(np.uint8)
