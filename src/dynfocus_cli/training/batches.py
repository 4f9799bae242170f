"""Batches of examples, each a function of its number alone: a resumed run sees what an unbroken one would."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.cce.budget import Allowance, allow
from dynfocus_cli.models.dynfocus.model import DynFocusSpec
from dynfocus_cli.network.stages import Exploration, Question, VideoFeatures
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.focus import focus_frames
from dynfocus_cli.training.feature_store import FeatureStore
from dynfocus_cli.training.planned import Planned
from dynfocus_cli.training.settings import TrainingSettings
from dynfocus_cli.types import Scorer


@dataclass(frozen=True, slots=True)
class Group:
    """Examples of a batch whose videos have equally many frames, so that they go through DPE and CCE
    together."""

    features: VideoFeatures
    """(B, T, ...)."""
    times_s: Tensor
    """(B, T) float64."""
    asked: Question
    pinned: Tensor | None
    """(B, T) bool."""
    events: int
    key_events: int
    scorer: Scorer
    texts: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """Of each example: the words after the video, and the answer with its end mark."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes through the network at a time."""

    groups: tuple[Group, ...]
    exploration: Exploration | None
    seed: int
    """Of what k-means starts from."""


class Batches:
    """The batches of a whole run by their numbers; every epoch has an order of its own."""

    def __init__(
        self,
        planned: Sequence[Planned],
        feature_store: FeatureStore,
        spec: DynFocusSpec,
        options: RunOptions,
        settings: TrainingSettings,
    ) -> None:
        self._planned, self._feature_store = planned, feature_store
        self._read_spec, self._options, self._settings = spec, options, settings
        self.steps = settings.steps(len(planned))
        self._order: tuple[int, list[int]] = (-1, [])
        """The epoch that was drawn from last, and its order."""

    def __len__(self) -> int:
        return self.steps * self._settings.accumulate

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < len(self):
            raise IndexError(number)
        settings = self._settings
        first = number * settings.batch
        planned = [self._planned[self.place(draw)] for draw in range(first, first + settings.batch)]
        exploration = None
        if settings.stage == "instruct":
            noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
            sigma = sigma_at(settings.sigma, number // settings.accumulate, self.steps)
            exploration = Exploration(sigma, settings.samples, noise)
        return collate(planned, self._feature_store, self._read_spec, self._options, exploration)

    def place(self, draw: int) -> int:
        """Which example is drawn as the `draw`-th of the run."""
        epoch, place = divmod(draw, len(self._planned))
        if self._order[0] != epoch:
            order = list(range(len(self._planned)))
            random.Random(self._settings.seed * 1_000_003 + epoch).shuffle(order)
            self._order = epoch, order
        return self._order[1][place]


def sigma_at(first: float, step: int, steps: int) -> float:
    """The perturbed top-k's noise: from `first` down to (nearly) nothing, linearly."""
    return first * (1.0 - step / steps)


def collate(
    planned: Sequence[Planned],
    feature_store: FeatureStore,
    spec: DynFocusSpec,
    options: RunOptions,
    exploration: Exploration | None,
) -> Batch:
    """Examples as a batch, their selections sized as `ask` would size them."""
    alike: dict[tuple[int, int, int, Scorer], list[int]] = {}
    shown = [feature_store.show(one) for one in planned]
    allowed = [
        _allowance(one, len(what.times_s), spec, options) for one, what in zip(planned, shown, strict=True)
    ]
    for place, (one, what, allowance) in enumerate(zip(planned, shown, allowed, strict=True)):
        kind = (len(what.times_s), allowance.events, allowance.key_frames, one.scorer)
        alike.setdefault(kind, []).append(place)
    groups = []
    for (frames, events, key_events, scorer), places in alike.items():
        pinned = torch.zeros(len(places), frames, dtype=torch.bool)
        for row, place in enumerate(places):
            times_s = shown[place].times_s
            if spec.defaults.pin_focus:
                named = focus_frames(planned[place].sampling, None, times_s, key_events)
                pinned[row, list(named)] = True
        groups.append(
            Group(
                _stacked([shown[place].features for place in places]),
                torch.tensor([shown[place].times_s for place in places], dtype=torch.float64),
                Question.padded([planned[place].asked for place in places]),
                pinned if pinned.any() else None,
                events,
                key_events,
                scorer,
                tuple((planned[place].before, planned[place].answer) for place in places),
            )
        )
    return Batch(tuple(groups), exploration, options.generation.seed)


def _allowance(planned: Planned, frames: int, spec: DynFocusSpec, options: RunOptions) -> Allowance:
    wanted, defaults = options.selection, spec.defaults
    return allow(
        frames,
        prototypes=wanted.prototypes or defaults.prototypes,
        key_ratio=wanted.key_ratio or defaults.key_ratio,
        limit=planned.limit,
        price=spec.price(planned.source, frames, wanted),
    )


def _stacked(videos: Sequence[VideoFeatures]) -> VideoFeatures:
    classes = [video.class_token for video in videos if video.class_token is not None]
    return VideoFeatures(
        torch.cat([video.patches for video in videos]),
        torch.cat([video.prototypes for video in videos]),
        torch.cat(classes) if classes else None,
    )
