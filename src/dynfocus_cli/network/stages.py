"""What the network's stages hand to each other; all with a leading batch of videos of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class VideoFeatures:
    """What CCE and DPE read of a batch of videos; independent of any question, so it can be kept."""

    patches: Tensor
    """(B, T, N, D_v), with the position code where the model has one."""
    prototypes: Tensor
    """(B, T, G, D_v): spatial prototypes."""
    class_token: Tensor | None = None
    """(B, T, 1, D_v), for a Q-Former that sees it."""

    @property
    def frames(self) -> int:
        """T."""
        return self.patches.shape[1]


@dataclass(frozen=True, slots=True)
class Question:
    """A batch of questions as the Q-Former reads them."""

    ids: Tensor
    """(B, S) int64."""
    mask: Tensor
    """(B, S), 1 where `ids` holds a token."""

    @classmethod
    def padded(cls, questions: Sequence[Sequence[int]]) -> Self:
        """Questions' token ids as a batch, the shorter ones padded on their right."""
        ids = torch.zeros(len(questions), max(map(len, questions)), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, question in enumerate(questions):
            ids[row, : len(question)] = torch.tensor(question)
            mask[row, : len(question)] = 1
        return cls(ids, mask)


@dataclass(frozen=True, slots=True)
class Exploration:
    """Perturbed top-k settings; present in training alone."""

    sigma: float
    samples: int
    generator: torch.Generator | None = None


@dataclass(frozen=True, slots=True)
class EventSelection:
    """DPE's result for a batch of videos: events, scores and key frames."""

    assignment: Tensor
    """(B, T): each frame's event."""
    centres: Tensor
    """(B, L): each event's centre frame, ascending."""
    raw_scores: Tensor
    """(B, L): as the scorer gives them."""
    scores: Tensor
    """(B, L): the same, 0 to 1 within each video."""
    key_events: Tensor
    """(B, K), ascending."""
    event_prototypes: Tensor
    """(B, L, P, D_v)."""
    indicators: Tensor | None = None
    """(B, K, L): expected choices under perturbation, in training alone."""

    @property
    def key_frames(self) -> Tensor:
        """(B, K): centre frames of the key events, ascending."""
        return self.centres.gather(1, self.key_events)
