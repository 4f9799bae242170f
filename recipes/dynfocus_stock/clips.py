"""Clips as the language model's stage sees them: features of evenly spaced frames, computed once."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dynfocus_cli.files import write_atomically
from dynfocus_cli.synth.world import Script, World, write_script
from dynfocus_stock.config import IMAGE_SIZE, PATCH_SIZE, VISION_WIDTH
from dynfocus_stock.vision import PREPROCESSING, encode
from dynfocus_tiny.frames import film
from dynfocus_tiny.looks import training_look
from dynfocus_tiny.precision import training_precision

FRAMES = 16
"""Of each clip, evenly spaced over all of it."""
PATCHES = (IMAGE_SIZE // PATCH_SIZE) ** 2
WORLDS = (
    World(),
    World(durations_s=(16, 120), scenes=(1, 6), colors=8, figures=8, digits=3),
    World(durations_s=(60, 300), scenes=(3, 14), colors=8, figures=8, digits=5),
)


class FrameStore:
    """Features of `clips` generated clips, memory-mapped as float16; a clip is whole once it is counted.

    Clip `i` is the script of seed `first_seed + i`, of one of `WORLDS`.
    """

    def __init__(self, folder: Path, clips: int, first_seed: int) -> None:
        self.folder, self.clips, self.first_seed = folder, clips, first_seed
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "features.f16"
        mode: Literal["r+", "w+"] = "r+" if path.exists() else "w+"
        self.script = lru_cache(None)(self._script)
        self._features = np.memmap(path, np.float16, mode, shape=(clips, FRAMES, PATCHES, VISION_WIDTH))

    @property
    def done(self) -> int:
        """Clips that are there."""
        progress = self.folder / "progress"
        return int(progress.read_text()) if progress.exists() else 0

    def _script(self, clip: int) -> Script:
        """What a clip shows."""
        return write_script(self.first_seed + clip, world=WORLDS[clip % len(WORLDS)])

    def seconds(self, clip: int) -> list[int]:
        """Of its frames."""
        duration_s = self.script(clip).duration_s
        return [int((number + 0.5) * duration_s / FRAMES) for number in range(FRAMES)]

    @torch.no_grad()
    def build(self, vision: Any, upto: int) -> None:
        """Renders and encodes the clips below `upto` that are not there yet."""
        for clip in range(self.done, min(upto, self.clips)):
            script, rng = self.script(clip), random.Random(f"{self.first_seed + clip} film")
            look = training_look(rng)
            frames = [film(script, float(second), look, IMAGE_SIZE, rng) for second in self.seconds(clip)]
            with training_precision():
                features = encode(vision, PREPROCESSING(np.stack(frames)))
            self._features[clip] = features.float().numpy()
            if (clip + 1) % 50 == 0 or clip + 1 == min(upto, self.clips):
                write_atomically(self.folder / "progress", str(clip + 1).encode())

    def features(self, clip: int, frames: list[int]) -> Tensor:
        """(T, N, D_v) of some of a clip's frames."""
        return torch.from_numpy(np.asarray(self._features[clip, frames], dtype=np.float32))
