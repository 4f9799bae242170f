"""The features of the videos that are learned from: encoded once, then read from disk as they are needed.

The vision encoder is never trained, so a video's features stay the same. They lie in files that are mapped
into memory, one a video: what is read again and again stays in the system's file cache, and a data set that
is larger than memory works all the same.
"""

from __future__ import annotations

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
from dynfocus_cli.training.examples import Problem
from dynfocus_cli.training.planned import Planned

FORMAT = 2
"""Of the files."""
FRAMES_AT_ONCE = 32
"""Frames that are encoded together."""


@dataclass(frozen=True, slots=True)
class FeatureSample:
    """Some frames of a video, ready for the network."""

    features: VideoFeatures
    """A batch of one, on the CPU."""
    times_s: tuple[float, ...]


class FeatureStore:
    """Features on disk, by video and by the moments that its examples look at."""

    def __init__(self, folder: Path, model: LoadedModel, options: RunOptions) -> None:
        self._folder = folder
        self._model = model
        self._options = options
        self._files: dict[str, Path] = {}
        self._moments: dict[str, tuple[float, ...]] = {}
        self._shown: dict[str, tuple[float, ...]] = {}
        """Presentation times at the moments of each video."""
        self.farthest = 0.0
        """How far the videos lie from the world that the model knew, at most."""
        self.doubtful: dict[str, str] = {}
        """Damaged videos, and how many of the frames that are looked at are in doubt."""

    @property
    def gated(self) -> bool:
        """Whether spatial prototypes go through weights that learn, and so cannot be kept."""
        return self._model.network.connector.gate is not None

    def gather(self, planned: Sequence[Planned], progress: Progress) -> tuple[list[Planned], list[Problem]]:
        """Makes the files that are not there yet; a video that cannot be decoded is passed over and named.

        Raises:
            ModelUnavailable: the folder cannot be written.
        """
        videos: dict[str, list[Planned]] = {}
        for one in planned:
            videos.setdefault(one.example.video, []).append(one)
        progress.stage("features", len(videos))
        problems: dict[str, str] = {}
        for video, examples in videos.items():
            moments = tuple(sorted({moment for one in examples for moment in one.sampling.times_s}))
            try:
                self._files[video] = self._made(examples[0], moments)
                with safe_open(self._files[video], "pt") as file:
                    self._shown[video] = tuple(file.get_tensor("pts_s").tolist())
                    self.farthest = max(self.farthest, float(file.get_tensor("distance")))
                    if doubtful := int(file.get_tensor("doubtful")):
                        self.doubtful[video] = f"{doubtful} of {len(moments)} frames"
                self._moments[video] = moments
            except VideoUnreadable as error:
                problems[video] = str(error)
            progress.advance(1)
        kept = [one for one in planned if one.example.video not in problems]
        told = [
            Problem(one.example.where, problems[one.example.video])
            for one in planned
            if one.example.video in problems
        ]
        return kept, told

    def show(self, planned: Planned) -> FeatureSample:
        """The frames of an example: moments at which the frame before is still on screen are left out."""
        video, wanted = planned.example.video, set(planned.sampling.times_s)
        moments, shown = self._moments[video], self._shown[video]
        places: list[int] = []
        for place, moment in enumerate(moments):
            if moment in wanted and (not places or shown[place] != shown[places[-1]]):
                places.append(place)
        with safe_open(self._files[video], "pt") as file:
            names = [name for name in file.keys() if name not in ("pts_s", "distance", "doubtful")]  # noqa: SIM118
            parts = {name: _rows(file, name, places) for name in names}
        if "visual" in parts:
            features = VideoFeatures(
                parts["visual"], parts["visual"]
            )  # prepared with the weights of the step
        else:
            features = VideoFeatures(parts["patches"], parts["prototypes"], parts.get("class_token"))
        return FeatureSample(features, tuple(moments[place] for place in places))

    def _made(self, planned: Planned, moments: tuple[float, ...]) -> Path:
        """The file of a video's features at these moments."""
        video = planned.example.video
        try:
            status = os.stat(video)
        except OSError as error:
            raise VideoUnreadable(f"{video} cannot be read any more: {error.strerror}.") from error
        key = [
            os.fsencode(os.path.realpath(video)).hex(),
            status.st_size,
            status.st_mtime_ns,
            moments,
            FORMAT,
        ]
        tower = self._model.vision_tower
        key += [tower.revision, str(tower.dtype), tower.device.type, self.gated]
        name = json_digest(key)
        path = self._folder / f"{name}.safetensors"
        if _whole(path):
            return path
        encoding = encode_video(
            planned.source,
            moments,
            tower,
            FeatureCache.default() if self._options.decoding.cache else None,
            self._options.decoding.hwaccel,
            Silent(),
            Stopwatch(),
            batch_size=FRAMES_AT_ONCE,
        )
        tensors = self._prepared(encoding.frames.patches)
        tensors["pts_s"] = torch.tensor(encoding.frames.pts_s, dtype=torch.float64)
        known = self._model.familiarity
        far = 0.0 if known is None else known.distance(encoding.frames.patches)
        tensors["distance"] = torch.tensor(far)
        sound = encoding.frames.conditions.count("sound")
        tensors["doubtful"] = torch.tensor(len(moments) - sound)
        problem = write_if_possible(path, save(tensors))
        if problem is not None:
            raise ModelUnavailable(
                f"The features of {video} cannot be kept in {self._folder} ({problem}): make room, or name "
                "another place for the model."
            )
        return path

    @torch.no_grad()
    def _prepared(self, patches: Tensor) -> dict[str, Tensor]:
        """As `ask` would hand them to the network."""
        model = self._model
        if self.gated:
            return {"visual": patches.to(model.spec.dtype).contiguous()}
        parts: dict[str, list[Tensor]] = {"patches": [], "prototypes": [], "class_token": []}
        for rows in patches.split(FRAMES_AT_ONCE):
            visual = rows.to(model.device, model.spec.dtype).unsqueeze(0)
            found = model.network.connector.prepare(visual)
            parts["patches"].append(found.patches[0].cpu())
            parts["prototypes"].append(found.prototypes[0].cpu())
            if found.class_token is not None:
                parts["class_token"].append(found.class_token[0].cpu())
        return {name: torch.cat(rows).contiguous() for name, rows in parts.items() if rows}


def _rows(file: safe_open, name: str, places: Sequence[int]) -> Tensor:
    """(1, T, ...), a copy of the rows at `places`."""
    whole: Tensor = file.get_tensor(name)
    return whole[list(places)].unsqueeze(0)


def _whole(path: Path) -> bool:
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False
