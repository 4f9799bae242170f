"""Batches of examples, each a function of its number alone: a resumed run sees what an unbroken one would."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.cce.budget import Allowance, allow
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.network.stages import Exploration, Question, VideoFeatures
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.focus import focus_frames
from dynfocus_cli.training.feature_store import FeatureSample, FeatureStore
from dynfocus_cli.training.planned_example import PlannedExample
from dynfocus_cli.training.schedules import annealed
from dynfocus_cli.training.settings import TrainingSettings
from dynfocus_cli.types import Scorer


@dataclass(frozen=True, slots=True)
class Group:
    """Examples of a batch that go through DPE and CCE together: of equally many frames, events and key
    frames, ranked by one scorer."""

    features: VideoFeatures
    """(B, T, ...)."""
    times_s: Tensor
    """(B, T) float64."""
    question: Question
    pinned: Tensor | None
    """(B, T) bool."""
    events: int
    key_events: int
    scorer: Scorer
    texts: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """Token ids of each example: its prompt after the video, and its answer with the end mark."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples that go through the network at a time."""

    groups: tuple[Group, ...]
    exploration: Exploration | None
    seed: int
    """Of k-means' first centres."""


class Batches:
    """The batches of a whole run by their numbers; every epoch has an order of its own."""

    def __init__(
        self,
        examples: Sequence[PlannedExample],
        feature_store: FeatureStore,
        spec: DynFocusSpec,
        options: RunOptions,
        settings: TrainingSettings,
    ) -> None:
        self._examples, self._feature_store = examples, feature_store
        self._spec, self._options, self._settings = spec, options, settings
        self.steps = settings.steps(len(examples))
        self._epoch, self._order = -1, list[int]()

    def __len__(self) -> int:
        return self.steps * self._settings.accumulate

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < len(self):
            raise IndexError(number)
        settings = self._settings
        first = number * settings.batch
        examples = [self._examples[self.index(draw)] for draw in range(first, first + settings.batch)]
        exploration = None
        if settings.stage == "instruct":
            noise = torch.Generator().manual_seed(settings.seed * 1_000_003 + number)
            sigma = annealed(settings.sigma, 0.0, number // settings.accumulate, self.steps)
            exploration = Exploration(sigma, settings.samples, noise)
        return collate(examples, self._feature_store, self._spec, self._options, exploration)

    def index(self, draw: int) -> int:
        """Which example is drawn as the `draw`-th of the run."""
        epoch, position = divmod(draw, len(self._examples))
        if self._epoch != epoch:
            self._epoch, self._order = epoch, list(range(len(self._examples)))
            random.Random(self._settings.seed * 1_000_003 + epoch).shuffle(self._order)
        return self._order[position]


def collate(
    examples: Sequence[PlannedExample],
    feature_store: FeatureStore,
    spec: DynFocusSpec,
    options: RunOptions,
    exploration: Exploration | None,
) -> Batch:
    """Examples as a batch, their selections sized as `ask` would size them."""
    groups: dict[tuple[int, int, int, Scorer], list[tuple[PlannedExample, FeatureSample]]] = {}
    for example in examples:
        sample = feature_store.sample(example)
        allowance = _allowance(example, len(sample.times_s), spec, options)
        kind = (len(sample.times_s), allowance.events, allowance.key_frames, example.scorer)
        groups.setdefault(kind, []).append((example, sample))
    return Batch(
        tuple(_group(members, spec, *kind[1:]) for kind, members in groups.items()),
        exploration,
        options.generation.seed,
    )


def _group(
    members: Sequence[tuple[PlannedExample, FeatureSample]],
    spec: DynFocusSpec,
    events: int,
    key_events: int,
    scorer: Scorer,
) -> Group:
    examples, samples = zip(*members, strict=True)
    times_s = torch.tensor([sample.times_s for sample in samples], dtype=torch.float64)
    pinned = torch.zeros_like(times_s, dtype=torch.bool)
    if spec.defaults.pin_focus:
        for row, (example, sample) in enumerate(members):
            pinned[row, list(focus_frames(example.sampling, None, sample.times_s, key_events))] = True
    return Group(
        _concatenated([sample.features for sample in samples]),
        times_s,
        Question.padded([example.question_ids for example in examples]),
        pinned if pinned.any() else None,
        events,
        key_events,
        scorer,
        tuple((example.prompt_ids, example.answer_ids) for example in examples),
    )


def _allowance(example: PlannedExample, frames: int, spec: DynFocusSpec, options: RunOptions) -> Allowance:
    selection, defaults = options.selection, spec.defaults
    return allow(
        frames,
        prototypes=selection.prototypes or defaults.prototypes,
        key_ratio=selection.key_ratio or defaults.key_ratio,
        limit=example.token_limit,
        price=spec.price(example.source, frames, selection),
    )


def _concatenated(videos: Sequence[VideoFeatures]) -> VideoFeatures:
    classes = [video.class_token for video in videos if video.class_token is not None]
    return VideoFeatures(
        torch.cat([video.patches for video in videos]),
        torch.cat([video.prototypes for video in videos]),
        torch.cat(classes) if classes else None,
    )
