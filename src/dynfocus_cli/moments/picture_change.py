"""How much one small picture differs from another, whatever moved a little in between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.float32]
"""(T, HEIGHT, WIDTH, 3), RGB, 0 to 1."""

WIDTH, HEIGHT = 32, 18
"""Pixels of the pictures that are compared: noise and the edges of things are averaged away."""

BLOCK_WIDTH, BLOCK_HEIGHT = 4, 3
REACH_X, REACH_Y = 2, 1
"""How far a block may have moved, pixels: a camera that sweeps over its picture's width in half a second."""

MOST = 0.15
"""Of one block: however much a thing changes where it appears, it is that part of the picture and no more."""


def change(before: Pictures, after: Pictures, most: float = MOST) -> NDArray[np.float32]:
    """How much each picture of `after` differs from the one of `before`, 0 to 1.

    Each block of `after` is compared with where it fits best nearby in `before`;
    what is left is averaged. A pan leaves little, another picture much.

    Shape: (T, HEIGHT, WIDTH, 3) twice -> (T,)
    """
    count = len(after)
    padded = np.pad(before, ((0, 0), (REACH_Y, REACH_Y), (REACH_X, REACH_X), (0, 0)), mode="edge")
    rows, columns = HEIGHT // BLOCK_HEIGHT, WIDTH // BLOCK_WIDTH
    least = np.full((count, rows, columns), np.inf, np.float32)
    for down in range(2 * REACH_Y + 1):
        for right in range(2 * REACH_X + 1):
            moved = padded[:, down : down + HEIGHT, right : right + WIDTH]
            apart = np.abs(after - moved)
            # Slices that are added take a fifth of the time of sums along short axes.
            level = apart[..., 0] + apart[..., 1] + apart[..., 2]  # (T, HEIGHT, WIDTH)
            bands = sum(level[:, row::BLOCK_HEIGHT] for row in range(BLOCK_HEIGHT))  # (T, rows, WIDTH)
            blocks = sum(bands[..., column::BLOCK_WIDTH] for column in range(BLOCK_WIDTH))
            np.minimum(least, blocks, out=least)
    least /= np.float32(3 * BLOCK_HEIGHT * BLOCK_WIDTH)
    return np.minimum(least, np.float32(most)).mean((1, 2))


def blend_error(first: Pictures, last: Pictures, between: Pictures) -> tuple[Pictures, Pictures]:
    """How far each picture `between` is on the way from `first` to `last`, and how much of it is off the way.

    In a dissolve a picture is `(1 - part) * first + part * last`, whatever the two show.

    Shape: (T, ...), (T, ...), (S, T, ...) -> parts (S, T), errors (S, T) in terms of what separates the two
    """
    axes = tuple(range(1, first.ndim))
    way = last - first
    length = (way * way).sum(axes) + np.float32(1e-6)  # (T,)
    gone = between - first  # (S, T, ...)
    part = (gone * way).sum(tuple(axis + 1 for axis in axes)) / length
    rest = gone - part.reshape(*part.shape, *[1] * len(axes)) * way
    error = np.sqrt((rest * rest).sum(tuple(axis + 1 for axis in axes)) / length)
    return part, error
