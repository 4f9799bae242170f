"""Where one shot ends and the next begins, from small pictures of all frames: cuts, dissolves and fades."""

from __future__ import annotations

from array import array
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dynfocus_cli.moments.picture_change import Pictures, blend_error, change

Transition = Literal["cut", "dissolve", "fade"]

LEAST_CUT = 0.02
"""Change at a cut, at least: compression, grain and things that move leave less."""

STANDS_OUT, STANDS_OUT_OF_MOTION = 3.0, 1.5
"""How many times more a cut changes than frames on the calmer side of it, and on the other: a shake or a fast
pan changes all of them."""

AROUND = 6
"""Frames on either side that a cut is compared with."""

FLASH = 4
"""Frames that a flash lasts for at most, after which the picture is back: no cut, and no shot of its own."""

BACK = 0.5
"""Part of a cut's change that may be left between the pictures around a flash."""


CHUNK, MARGIN = 1024, 64
"""Pictures that are looked at together, and how many before and after them take part in it."""


class ShotBorder(NamedTuple):
    """Where a shot begins."""

    frame: int
    """Its first frame; of a dissolve or a fade the middle one."""
    transition: Transition


def cuts(pictures: Pictures) -> NDArray[np.int64]:
    """The first frames of shots that begin by a cut: where a picture differs from the one before it by far
    more than its neighbours do from theirs, and differs still once a flash would be over.

    Shape: (T, HEIGHT, WIDTH, 3) -> (cuts,)
    """
    steps = np.zeros(len(pictures), np.float32)
    steps[1:] = np.abs(pictures[1:] - pictures[:-1]).mean((1, 2, 3))
    # What moves a little can only lessen the change: it is looked at where there is one, and around it.
    differs = np.convolve(steps > LEAST_CUT, np.ones(2 * AROUND + 1))[AROUND : AROUND + len(steps)] > 0
    near = np.flatnonzero(differs[1:]) + 1
    steps[near] = change(pictures[near - 1], pictures[near])
    places = [frame for frame in np.flatnonzero(steps > LEAST_CUT).tolist() if _stands_out(steps, frame)]
    return np.array([frame for frame in places if _lasts(pictures, frame)], np.int64)


def _stands_out(steps: NDArray[np.float32], frame: int) -> bool:
    sides = [
        _usual(steps[max(1, frame - AROUND) : frame]),
        _usual(steps[frame + 1 : frame + 1 + AROUND]),
    ]
    return bool(steps[frame] > STANDS_OUT * min(sides) and steps[frame] > STANDS_OUT_OF_MOTION * max(sides))


def _usual(steps: NDArray[np.float32]) -> float:
    """The change that a third of the steps are above: encoders repeat frames, so that half may have none."""
    return float(np.sort(steps)[len(steps) * 2 // 3]) if len(steps) else 0.0


def _lasts(pictures: Pictures, frame: int) -> bool:
    """Whether no picture from shortly before comes back shortly after, as it does around and in a flash."""
    before, after = pictures[max(0, frame - 1 - FLASH) : frame], pictures[frame : frame + 1 + FLASH]
    pairs = change(np.repeat(before, len(after), 0), np.tile(after, (len(before), 1, 1, 1)), most=1)
    step = change(before[-1:], after[:1], most=1)[0]
    return bool(pairs.min() > BACK * step)


DISSOLVES = (6, 8, 11, 15, 20, 27)
"""Half the lengths of the windows in which dissolves are looked for, frames."""

LEAST_DISSOLVE = 0.05
"""Change from before a dissolve to after it."""

BLEND = 0.3
"""Error of the pictures in between as blends of the outer two, at most."""

SETTLED, STILL = 0.75, 0.08
"""So far from the middle to the border of a window the dissolve must not have begun or must be over, and so
much it may seem to have: a pan goes on and on."""

OTHER_LIGHT = 0.6
"""Part of a picture's contrast that another light on the one before does not explain, at least."""


def dissolves(pictures: Pictures, cut: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The middle frames of dissolves, and how far they reach: places where pictures are a blend of two others
    that are there before and after, and no cut is near.

    Shape: (T, HEIGHT, WIDTH, 3), (cuts,)
    """
    count = len(pictures)
    coarse = pictures.reshape(count, 9, 2, 16, 2, 3).mean((2, 4))  # (T, 9, 16, 3)
    cuts_before = np.concatenate([[0], np.bincount(cut, minlength=count).cumsum()])
    found: list[tuple[float, int, int]] = []
    for half in DISSOLVES:
        middle = np.arange(half, count - half)
        clear = cuts_before[middle + half + 1] == cuts_before[middle - half + 1]
        middle = middle[clear]
        apart = np.abs(coarse[middle + half] - coarse[middle - half]).mean((1, 2, 3))
        middle = middle[apart > LEAST_DISSOLVE]
        if not len(middle):
            continue
        first, last = coarse[middle - half], coarse[middle + half]
        settled = round(SETTLED * half)
        offsets = [-settled, -half // 3, 0, half // 3, settled]
        part, error = blend_error(first, last, np.stack([coarse[middle + offset] for offset in offsets]))
        good = (np.abs(part[0]) < STILL) & (np.abs(part[4] - 1) < STILL) & (np.abs(part[2] - 0.5) < 0.25)
        good &= (part[0] < part[1]) & (part[1] < part[2]) & (part[2] < part[3]) & (part[3] < part[4])
        good &= error.max(0) < BLEND
        for place in np.flatnonzero(good):
            frame = int(middle[place])
            apart = change(pictures[frame - half][None], pictures[frame + half][None])[0]
            if apart > LEAST_DISSOLVE and _unlike(first[place], last[place]) > OTHER_LIGHT:
                found.append((float(error[:, place].max()), frame, half))
    chosen: list[tuple[int, int]] = []
    for _, frame, half in sorted(found):
        if all(abs(frame - other) > half + reach for other, reach in chosen):
            chosen.append((_middle(coarse[frame - half : frame + half + 1]) + frame - half, half))
    return sorted(chosen)


def _middle(window: Pictures) -> int:
    """Where half of a dissolve is over: as many frames as the first picture's parts in them add up to."""
    part, _ = blend_error(window[:1], window[-1:], window[:, None])
    return round(float((1 - part.clip(0, 1)).sum()) - 0.5)


def _unlike(first: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """How little the second picture is the first one in another light, 0 to 1: what is left of its contrast
    once the first one's is taken out. A picture without contrast counts as any in another light."""
    one, other = first.ravel() - first.mean(), last.ravel() - last.mean()
    contrast = min(float(one @ one), float(other @ other))
    if contrast < PLAIN**2 * one.size:
        return 0.0
    agreement = float(one @ other) / float(np.sqrt((one @ one) * (other @ other)))
    return float(np.sqrt(max(0.0, 1 - agreement**2))) if agreement > 0 else 1.0


PLAIN = 0.02
"""Standard deviation of a picture that shows nothing, of 1."""

DARK, LIGHT = 0.08, 0.92
"""Such a picture is black below, white above."""

FADE, GRADUAL = 15, 0.6
"""Frames on either side of it in which a fade would have changed the picture, and the part of their greatest
contrast that may be left right beside it: a flash begins at once."""


RISE = 1.02
"""How many times greater the contrast is two frames later while a fade goes on."""


def fades(spread: NDArray[np.float32], level: NDArray[np.float32]) -> list[tuple[int, int, int]]:
    """What is black or white between two pictures that fade out and in: its middle frame, and from where to
    where the pictures fade.

    Where one of the two is cut off, that cut is the border; at the beginning or the end there is none.

    Shape: (T,) twice: each picture's standard deviation and its mean
    """
    plain = (spread < PLAIN) & ((level < DARK) | (level > LIGHT))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], plain, [False]])))
    found = []
    for begin, end in edges.reshape(-1, 2):
        if begin == 0 or end == len(plain):
            continue
        before, after = spread[max(0, begin - FADE) : begin][::-1], spread[end : end + FADE]
        if before[0] < GRADUAL * before.max() and after[0] < GRADUAL * after.max():
            found.append((int(begin + end) // 2, int(begin - _rise(before)), int(end + _rise(after))))
    return found


def _rise(spread: NDArray[np.float32]) -> int:
    """For how many frames the contrast rises, looking away from the black; encoders repeat frames then."""
    rising = spread[2:] > RISE * spread[:-2]
    return len(rising) + 2 if rising.all() else int(rising.argmin()) + 2


class BorderDetector:
    """Finds the borders of a video whose pictures come one after the other, in bounded memory."""

    def __init__(self, chunk: int = CHUNK) -> None:
        self._chunk = chunk
        self._pictures: list[NDArray[np.float32]] = []
        self._first = 0
        """Number of the first of them."""
        self._settled = 0
        """Up to this frame, cuts and dissolves are known."""
        self._spread, self._level = array("f"), array("f")
        self._cuts: list[int] = []
        self._dissolves: list[tuple[int, int]] = []

    def add(self, picture: NDArray[np.float32]) -> None:
        """The next frame's picture, (HEIGHT, WIDTH, 3), 0 to 1."""
        self._spread.append(float(picture.std()))
        self._level.append(float(picture.mean()))
        self._pictures.append(picture)
        if len(self._pictures) >= self._chunk + 2 * MARGIN:
            self._look(self._first + len(self._pictures) - MARGIN)
            gone = len(self._pictures) - 2 * MARGIN
            del self._pictures[:gone]
            self._first += gone

    def finish(self) -> list[ShotBorder]:
        """All borders, in order."""
        if len(self._pictures) > 1:
            self._look(self._first + len(self._pictures))
        faded = fades(np.array(self._spread), np.array(self._level))
        borders = [ShotBorder(frame, "fade") for frame, _, _ in faded]
        borders += [
            ShotBorder(frame, "cut")
            for frame in self._cuts
            if not any(out <= frame <= back for _, out, back in faded)
        ]
        borders += [
            ShotBorder(frame, "dissolve")
            for frame, half in self._dissolves
            if all(frame + half < out or frame - half > back for _, out, back in faded)
        ]
        return sorted(borders)

    def _look(self, until: int) -> None:
        """Finds the cuts and dissolves from where they are known to `until`."""
        pictures = np.stack(self._pictures)
        cut = cuts(pictures)
        for place in cut:
            if self._settled <= self._first + place < until:
                self._cuts.append(int(self._first + place))
        for place, half in dissolves(pictures, cut):
            if self._settled <= self._first + place < until:
                self._dissolves.append((self._first + place, half))
        self._settled = until
