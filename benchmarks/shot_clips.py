"""Clips with known borders between shots: hard cuts, fades and dissolves, and what is none: flashes and pans.

Each clip follows from its seed. Shots are textures or painted things, still, panned, zoomed or shaken, with
things that move, film grain and changes of light; some are a third of a second long, and some follow one
that has the same colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 320, 180, 160
"""Pixels of a frame, and of what lies around it for a camera to pan over."""

Kind = Literal["cut", "fade", "dissolve"]
Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Border:
    """Where a shot ends and the next begins."""

    frame: int
    """The first frame of the next shot; of a fade or a dissolve the middle, which belongs to it."""
    kind: Kind


@dataclass(frozen=True, slots=True)
class KnownClip:
    """A clip, its borders, and how much there is in it that is none."""

    path: Path
    fps: float
    frames: int
    borders: tuple[Border, ...]
    flashes: int
    pans: int


def write_known_clip(path: Path, seed: int) -> KnownClip:
    """Draws a clip of 4 to 9 shots and writes it as H.264."""
    import av

    draw = np.random.default_rng(seed)
    script = _Script(draw)
    frames = list(script.frames())
    rate = Fraction(int(draw.choice([24, 25, 30])))
    with av.open(str(path), "w") as container:
        options = {"crf": str(draw.integers(18, 33)), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames:
            pixels = np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return KnownClip(path, float(rate), len(frames), tuple(script.borders), script.flashes, script.pans)


class _Script:
    """The shots of one clip, one after the other."""

    def __init__(self, draw: np.random.Generator) -> None:
        self._draw = draw
        self.borders: list[Border] = []
        self.flashes = self.pans = 0
        self._palette = draw.uniform(20, 235, (6, 3)).astype(np.float32)
        self._grain = float(draw.choice([0, 0, 2, 5]))

    def frames(self) -> Iterator[Picture]:
        """All frames, (HEIGHT, WIDTH, 3); `borders` is complete afterwards."""
        at, tail = 0, np.zeros((0, HEIGHT, WIDTH, 3), np.float32)
        for number in range(int(self._draw.integers(4, 10))):
            shot = self._shot()
            kind = (
                "cut"
                if number == 0
                else str(self._draw.choice(["cut", "fade", "dissolve"], p=[0.6, 0.22, 0.18]))
            )
            if kind == "dissolve":
                length = min(int(self._draw.integers(8, 31)), len(tail), len(shot) // 2)
                weights = (np.arange(1, length + 1, dtype=np.float32) / (length + 1))[:, None, None, None]
                yield from self._grained(tail[: len(tail) - length])
                at += len(tail) - length
                yield from self._grained(tail[len(tail) - length :] * (1 - weights) + shot[:length] * weights)
                self.borders.append(Border(at + (length + 1) // 2, "dissolve"))
                at, shot = at + length, shot[length:]
            elif kind == "fade":
                length, held = int(self._draw.integers(5, 21)), int(self._draw.integers(1, 13))
                length = min(length, len(tail), len(shot) // 2)
                ground = np.float32(255 if self._draw.random() < 0.15 else 0)
                weights = (np.arange(length, 0, -1, dtype=np.float32) / (length + 1))[:, None, None, None]
                yield from self._grained(tail[: len(tail) - length])
                yield from self._grained(tail[len(tail) - length :] * weights + ground * (1 - weights))
                yield from np.full((held, HEIGHT, WIDTH, 3), ground, np.float32)
                weights = weights[::-1]
                yield from self._grained(shot[:length] * weights + ground * (1 - weights))
                self.borders.append(Border(at + len(tail) + held // 2, "fade"))
                at, shot = at + len(tail) + held + length, shot[length:]
            else:
                yield from self._grained(tail)
                at += len(tail)
                if number:
                    self.borders.append(Border(at, "cut"))
            # What the next transition may use is held back.
            keep = min(len(shot), 30)
            yield from self._grained(shot[: len(shot) - keep])
            at, tail = at + len(shot) - keep, shot[len(shot) - keep :]
        yield from self._grained(tail)

    def _grained(self, pictures: Picture) -> Iterator[Picture]:
        for picture in pictures:
            noise = self._draw.normal(0, self._grain, (HEIGHT, WIDTH, 1)) if self._grain else 0
            yield (picture + noise).astype(np.float32)

    def _shot(self) -> Picture:
        """(T, HEIGHT, WIDTH, 3)"""
        draw = self._draw
        short = draw.random() < 0.15
        length = int(draw.integers(9, 20) if short else draw.integers(25, 110))
        if draw.random() < 0.6:
            self._palette = draw.uniform(20, 235, (6, 3)).astype(np.float32)
        ground = self._texture() if draw.random() < 0.5 else self._painting()
        if draw.random() < 0.2:
            ground *= 0.35
        things = [_Thing(draw, self._palette) for _ in range(int(draw.integers(0, 4)))]
        camera = self._camera(length)
        light = np.ones(length, np.float32)
        if draw.random() < 0.2:
            light = np.linspace(1, draw.uniform(0.6, 1.4), length, dtype=np.float32)
        pictures = np.empty((length, HEIGHT, WIDTH, 3), np.float32)
        for number, (x, y) in enumerate(camera):
            pictures[number] = ground[y : y + HEIGHT, x : x + WIDTH]
            for thing in things:
                thing.paint(pictures[number], number)
        pictures *= light[:, None, None, None]
        if draw.random() < 0.35 and length > 20:
            self._flash(pictures)
        return pictures

    def _camera(self, length: int) -> NDArray[np.int64]:
        """(length, 2), where the upper left corner of the frame is on the ground."""
        draw = self._draw
        how = draw.choice(["still", "pan", "fast pan", "shake"], p=[0.4, 0.3, 0.15, 0.15])
        place = np.array([MARGIN, MARGIN // 2], float)
        if how == "still":
            return np.tile(place, (length, 1)).astype(int)
        if how == "shake":
            return (place + draw.normal(0, 3, (length, 2))).astype(int).clip(0)
        self.pans += 1
        speed = draw.uniform(1, 4) if how == "pan" else draw.uniform(6, 16)
        angle = draw.uniform(0, 2 * np.pi)
        way = speed * np.array([np.cos(angle), np.sin(angle) / 2]) * np.arange(length)[:, None]
        size = np.array([2 * MARGIN, MARGIN])
        folded = np.abs((place + way) % (2 * size) - size)  # it turns round at the edge
        return folded.astype(int)

    def _texture(self) -> Picture:
        """Noise of several sizes in the palette's colours."""
        shape = (HEIGHT + MARGIN, WIDTH + 2 * MARGIN)
        levels = np.zeros(shape, np.float32)
        for size in (80, 40, 20, 8):
            rows, columns = shape[0] // size + 2, shape[1] // size + 2
            coarse = self._draw.normal(0, 1, (rows, columns)).astype(np.float32)
            levels += _enlarged(coarse, size)[: shape[0], : shape[1]] * size
        levels = (levels - levels.min()) / np.ptp(levels) * (len(self._palette) - 1)
        low = np.floor(levels).astype(int).clip(0, len(self._palette) - 2)
        part = (levels - low)[..., None]
        return self._palette[low] * (1 - part) + self._palette[low + 1] * part

    def _painting(self) -> Picture:
        """Rectangles and discs on a slope of two colours."""
        height, width = HEIGHT + MARGIN, WIDTH + 2 * MARGIN
        slope = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        picture = np.broadcast_to(
            self._palette[0] * (1 - slope) + self._palette[1] * slope, (height, width, 3)
        ).copy()
        rows, columns = np.mgrid[:height, :width]
        for _ in range(int(self._draw.integers(8, 25))):
            x, y = self._draw.integers(0, width), self._draw.integers(0, height)
            size = self._draw.integers(10, 90)
            inside = (
                (columns - x) ** 2 + (rows - y) ** 2 < size**2 / 4
                if self._draw.random() < 0.5
                else (np.abs(columns - x) < size / 2) & (np.abs(rows - y) < size / 3)
            )
            picture[inside] = self._palette[self._draw.integers(0, len(self._palette))]
        return picture

    def _flash(self, pictures: Picture) -> None:
        """One to four frames of white or black light, all at once or dying down."""
        self.flashes += 1
        count = int(self._draw.integers(1, 5))
        at = int(self._draw.integers(6, len(pictures) - count - 6))
        ground = np.float32(0 if self._draw.random() < 0.15 else 255)
        strength = float(self._draw.uniform(0.5, 1))
        fall = 1 - np.arange(count) / count if self._draw.random() < 0.5 else np.ones(count)
        for number, part in enumerate(strength * fall):
            pictures[at + number] += np.float32(part) * (ground - pictures[at + number])


class _Thing:
    """A disc that crosses the picture."""

    def __init__(self, draw: np.random.Generator, palette: Picture) -> None:
        self._colour = palette[draw.integers(0, len(palette))]
        self._radius = float(draw.uniform(8, 55))
        self._place = draw.uniform([0, 0], [WIDTH, HEIGHT])
        self._step = draw.normal(0, 3, 2)

    def paint(self, picture: Picture, number: int) -> None:
        """Onto frame `number` of the shot."""
        x, y = self._place + self._step * number
        top, left = max(int(y - self._radius), 0), max(int(x - self._radius), 0)
        if x + self._radius < 0 or y + self._radius < 0:
            return
        part = picture[top : int(y + self._radius) + 1, left : int(x + self._radius) + 1]
        rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
        part[(columns - x) ** 2 + (rows - y) ** 2 < self._radius**2] = self._colour


def _enlarged(coarse: Picture, size: int) -> Picture:
    """Each value `size` times as large in both directions, with slopes in between."""

    def along(values: Picture, axis: int) -> Picture:
        count = (values.shape[axis] - 1) * size
        at = np.arange(count) / size
        low = at.astype(int)
        part = (at - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part
        return values.take(low, axis) * (1 - part) + values.take(low + 1, axis) * part

    return along(along(coarse, 0), 1)
