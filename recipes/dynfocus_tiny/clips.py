"""Clips as the later stages see them: features of every second, computed once, kept on disk."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.files import write_atomically
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.stages import VideoFeatures
from dynfocus_cli.synth.look import Look
from dynfocus_cli.synth.world import SHORT, Script, World, write_script
from dynfocus_tiny.frames import DrawWorld, film
from dynfocus_tiny.looks import training_look
from dynfocus_tiny.precision import training_precision

ENCODED = 16
"""Frames that are encoded at a time."""


class ClipStore:
    """Features of `clips` generated clips at one frame a second, memory-mapped as float16.

    Clip `i` is the script of seed `first_seed + i`. Building resumes after a kill: a clip is counted once its
    rows are on disk.

    Args:
        world: what the clips' scripts are drawn from.
        draw: draws each clip's own world, and its look; None paints `world` in the looks of real files.
    """

    def __init__(
        self,
        folder: Path,
        clips: int,
        first_seed: int,
        world: World = SHORT,
        draw: DrawWorld | None = None,
    ) -> None:
        self.folder, self.first_seed = folder, first_seed
        self.scripts: list[Script] = []
        self._looks: list[Look | None] = []
        for seed in range(first_seed, first_seed + clips):
            clip_world, look = (world, None) if draw is None else draw(random.Random(f"{seed} look"))
            self.scripts.append(write_script(seed, world=clip_world))
            self._looks.append(look)
        self.starts = np.cumsum([0, *(script.duration_s for script in self.scripts)])
        self._patches: np.memmap | None = None
        self._prototypes: np.memmap | None = None

    @property
    def longest_s(self) -> int:
        """Seconds of the longest clip."""
        return max(script.duration_s for script in self.scripts)

    def build(self, model: DynFocusModel, preprocessing: Preprocessing, seed: int) -> None:
        """Renders and encodes the clips that are not on disk yet."""
        self.open(model.config)
        assert self._patches is not None
        assert self._prototypes is not None
        progress = self.folder / "progress.json"
        done = json.loads(progress.read_text())["clips"] if progress.exists() else 0
        for clip in range(done, len(self.scripts)):
            patches = self._encode(clip, model, preprocessing, seed)
            with torch.no_grad():
                features = model.connector.prepare(patches.unsqueeze(0))
            span = slice(self.starts[clip], self.starts[clip + 1])
            self._patches[span] = features.patches[0].numpy()
            self._prototypes[span] = features.prototypes[0].numpy()
            if (clip + 1) % 100 == 0 or clip + 1 == len(self.scripts):
                write_atomically(progress, json.dumps({"clips": clip + 1}).encode())

    def open(self, config: DynFocusConfig) -> None:
        """Maps the features' files, which are made if they are not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows, width = int(self.starts[-1]), config.vision_config.hidden_size
        shapes = {"patches": (config.patches, width), "prototypes": (sum(config.spatial_prototypes), width)}
        maps = {}
        for name, shape in shapes.items():
            path = self.folder / f"{name}.f16"
            mode: Literal["r+", "w+"] = "r+" if path.exists() else "w+"
            maps[name] = np.memmap(path, np.float16, mode, shape=(rows, *shape))
        self._patches, self._prototypes = maps["patches"], maps["prototypes"]

    @torch.no_grad()
    def _encode(self, clip: int, model: DynFocusModel, preprocessing: Preprocessing, seed: int) -> Tensor:
        script, size = self.scripts[clip], preprocessing.size
        rng = random.Random(seed * 7_919 + clip)
        look = self._looks[clip] or training_look(rng)
        frames = [film(script, float(second), look, size, rng) for second in range(script.duration_s)]
        with training_precision():
            pixels = preprocessing(np.stack(frames))  # few at a time stay in a cache
            return torch.cat([model.encode_frames(some).float() for some in pixels.split(ENCODED)])

    def features(self, clips: list[int], seconds: list[list[int]]) -> VideoFeatures:
        """Features of the frames at the given whole seconds of each clip; equally many a clip."""
        assert self._patches is not None
        assert self._prototypes is not None
        wanted = [(clip, tuple(times)) for clip, times in zip(clips, seconds, strict=True)]
        rows = {one: self.starts[one[0]] + np.asarray(one[1]) for one in wanted}  # each excerpt is read once
        patches = {one: _load(self._patches, index) for one, index in rows.items()}
        prototypes = {one: _load(self._prototypes, index) for one, index in rows.items()}
        return VideoFeatures(
            torch.stack([patches[one] for one in wanted]), torch.stack([prototypes[one] for one in wanted])
        )


def _load(array: np.memmap, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(array[rows]).float()
