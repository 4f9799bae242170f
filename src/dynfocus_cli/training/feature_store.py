"""The features of a training's videos: encoded once, then read from disk as they are needed.

The vision encoder is never trained, so a video's features stay the same. They lie in files that are mapped
into memory, one a video: what is read again and again stays in the system's file cache, and a data set that
is larger than memory works all the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable, VideoUnreadable
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.files import json_digest, write_if_possible
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.network.stages import VideoFeatures
from dynfocus_cli.options import RunOptions
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.training.example_items import Problem
from dynfocus_cli.training.planned_example import PlannedExample

FORMAT = 4
"""Of the files."""
FRAMES_AT_ONCE = 32
"""Frames that are encoded together."""
_FEATURES = ("patches", "prototypes", "class_token")


@dataclass(frozen=True, slots=True)
class FeatureSample:
    """The frames of one example, ready for the network."""

    features: VideoFeatures
    """A batch of one, on the CPU."""
    times_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _StoredVideo:
    path: Path
    times_s: tuple[float, ...]
    """Of all frames that the video's examples look at."""
    pts_s: tuple[float, ...]
    """Presentation times of the pictures on screen then."""


class FeatureStore:
    """Features on disk, by video and by the times that its examples look at."""

    def __init__(self, folder: Path, model: LoadedModel, options: RunOptions) -> None:
        self._folder, self._model, self._options = folder, model, options
        self._videos: dict[str, _StoredVideo] = {}
        self.greatest_distance, self.least_log_odds = 0.0, math.inf
        """The greatest distance and the least log odds of a video so far, as `Familiarity` measures them."""
        self._unfamiliar: set[str] = set()
        self.damaged: dict[str, str] = {}
        """Damaged videos, each with how many of its frames are in doubt."""

    def encode(
        self, examples: Sequence[PlannedExample], progress: Progress
    ) -> tuple[list[PlannedExample], list[Problem]]:
        """Makes the files that are not there yet; examples on videos that cannot be decoded are problems.

        Raises:
            ModelUnavailable: the folder cannot be written.
        """
        videos: dict[str, list[PlannedExample]] = {}
        for example in examples:
            videos.setdefault(example.example.video, []).append(example)
        progress.stage("features", len(videos))
        errors: dict[str, str] = {}
        for video, its_examples in videos.items():
            times_s = tuple(sorted({time_s for one in its_examples for time_s in one.sampling.times_s}))
            try:
                self._add(its_examples[0], times_s)
            except VideoUnreadable as error:
                errors[video] = str(error)
            progress.advance(1)
        usable = [one for one in examples if one.example.video not in errors]
        broken = [one.example for one in examples if one.example.video in errors]
        return usable, [Problem(example.where, errors[example.video]) for example in broken]

    def sample(self, example: PlannedExample) -> FeatureSample:
        """The frames of an example but those that show the same picture as the one before."""
        video, sampled = self._videos[example.example.video], set(example.sampling.times_s)
        rows: list[int] = []
        for row, time_s in enumerate(video.times_s):
            if time_s in sampled and (not rows or video.pts_s[row] != video.pts_s[rows[-1]]):
                rows.append(row)
        with safe_open(video.path, "pt") as file:
            stored = set(file.keys())
            parts = {
                name: file.get_tensor(name)[rows].unsqueeze(0) for name in _FEATURES if name in stored
            }  # (1, T, ...)
        # A gate's prototypes are not stored: they are computed with the weights of each step.
        prototypes = parts.get("prototypes", parts["patches"])
        features = VideoFeatures(parts["patches"], prototypes, parts.get("class_token"))
        return FeatureSample(features, tuple(video.times_s[row] for row in rows))

    @property
    def unfamiliar_share(self) -> float:
        """Of the videos so far, how many look unlike those that the model was trained on."""
        return len(self._unfamiliar) / max(1, len(self._videos))

    def _add(self, example: PlannedExample, times_s: tuple[float, ...]) -> None:
        video = example.example.video
        path = self._folder / f"{self._digest(video, times_s)}.safetensors"
        if not _readable(path):
            problem = write_if_possible(path, save(self._encoded(example, times_s)))
            if problem is not None:
                raise ModelUnavailable(
                    f"The features of {video} cannot be kept in {self._folder} ({problem}): make room, or "
                    "name another place for the model."
                )
        with safe_open(path, "pt") as file:
            self._videos[video] = _StoredVideo(path, times_s, tuple(file.get_tensor("pts_s").tolist()))
            distance, log_odds = float(file.get_tensor("distance")), float(file.get_tensor("log_odds"))
            self.greatest_distance = max(self.greatest_distance, distance)
            self.least_log_odds = min(self.least_log_odds, log_odds)
            known = self._model.familiarity
            if known is not None and not known.covers(distance, log_odds):
                self._unfamiliar.add(video)
            if doubtful := int(file.get_tensor("doubtful")):
                self.damaged[video] = f"{doubtful} of {len(times_s)} frames"

    def _digest(self, video: str, times_s: tuple[float, ...]) -> str:
        """Of all that decides on a video's features."""
        try:
            status = os.stat(video)
        except OSError as error:
            raise VideoUnreadable(f"{video} cannot be read any more: {error.strerror}.") from error
        tower = self._model.vision_tower
        place = os.fsencode(os.path.realpath(video)).hex()
        file = [place, status.st_size, status.st_mtime_ns, times_s, FORMAT]
        encoder = [tower.revision, self._model.info.config, str(tower.dtype), tower.device.type, self._gated]
        return json_digest(file + encoder)

    @property
    def _gated(self) -> bool:
        """Whether spatial prototypes go through weights that are trained, and so cannot be stored."""
        return self._model.network.connector.gate is not None

    def _encoded(self, example: PlannedExample, times_s: tuple[float, ...]) -> dict[str, Tensor]:
        decoding = self._options.decoding
        frames = encode_video(
            example.source,
            times_s,
            self._model.vision_tower,
            FeatureCache.default() if decoding.cache else None,
            decoding.hwaccel,
            Silent(),
            Stopwatch(),
            batch_size=FRAMES_AT_ONCE,
        ).frames
        familiarity = self._model.familiarity
        distance, log_odds = 0.0, math.inf
        if familiarity is not None:
            distance, log_odds = familiarity.distance(frames.patches), familiarity.log_odds(frames.patches)
        return {
            **self._prepared(frames.patches),
            "pts_s": torch.tensor(frames.pts_s, dtype=torch.float64),
            "distance": torch.tensor(distance),
            "log_odds": torch.tensor(log_odds),
            "doubtful": torch.tensor(len(times_s) - frames.conditions.count("sound")),
        }

    @torch.no_grad()
    def _prepared(self, patches: Tensor) -> dict[str, Tensor]:
        """As `ask` would hand them to the network."""
        model = self._model
        if self._gated:
            return {"patches": patches.to(model.spec.dtype).contiguous()}
        parts: dict[str, list[Tensor]] = {}
        for frames in patches.split(FRAMES_AT_ONCE):
            prepared = model.network.connector.prepare(frames.to(model.device, model.spec.dtype).unsqueeze(0))
            for name in _FEATURES:
                if (part := getattr(prepared, name)) is not None:
                    parts.setdefault(name, []).append(part[0].cpu())
        return {name: torch.cat(rows).contiguous() for name, rows in parts.items()}


def _readable(path: Path) -> bool:
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False
