"""The cooperative network between the vision encoder and the language model: DPE and CCE, end to end.

Everything here takes a leading batch of videos with equally many frames; a single video is a batch of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dynfocus_cli.cce.interleave import interleave
from dynfocus_cli.cce.rods import Rods
from dynfocus_cli.cce.spatial_prototypes import spatial_prototypes
from dynfocus_cli.dpe.density_peaks import cluster
from dynfocus_cli.dpe.event_prototypes import event_prototypes, pool_grid
from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise, perturbed_topk
from dynfocus_cli.model.config import DynFocusConfig
from dynfocus_cli.model.question_encoder import QuestionEncoder


@dataclass(frozen=True, slots=True)
class VideoFeatures:
    """What CCE and DPE read of a batch of videos; independent of any question, so it can be kept."""

    patches: Tensor
    """(B, T, N, D_v), with the position code where the model has one."""
    prototypes: Tensor
    """(B, T, G, D_v): spatial prototypes."""

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


@dataclass(frozen=True, slots=True)
class Exploration:
    """Perturbed top-k settings; present in training alone."""

    sigma: float
    samples: int
    generator: torch.Generator | None = None


@dataclass(frozen=True, slots=True)
class EventSelection:
    """DPE's verdict on a batch of videos."""

    assignment: Tensor
    """(B, T): each frame's event."""
    centres: Tensor
    """(B, L): each event's centre frame, ascending."""
    raw_scores: Tensor
    """(B, L): the score network's output."""
    scores: Tensor
    """(B, L): the same, 0 to 1 within each video."""
    key_events: Tensor
    """(B, K), ascending."""
    event_prototypes: Tensor
    """(B, L, P, D_v)."""
    indicators: Tensor | None
    """(B, K, L): expected choices under perturbation, in training alone."""

    @property
    def key_frames(self) -> Tensor:
        """(B, K): centre frames of the key events, ascending."""
        return self.centres.gather(1, self.key_events)


class Projector(nn.Sequential):
    """Two linear layers into the language model's width, and a norm where the config asks for one."""

    def __init__(self, width: int, language_width: int, norm: bool) -> None:
        layers: list[nn.Module] = [
            nn.Linear(width, language_width),
            nn.GELU(),
            nn.Linear(language_width, language_width),
        ]
        if norm:
            layers.append(nn.RMSNorm(language_width, eps=1e-6))
        super().__init__(*layers)


class CooperativeConnector(nn.Module):
    """DPE chooses the key frames, CCE writes their cones and everyone's rods."""

    def __init__(self, config: DynFocusConfig) -> None:
        super().__init__()
        self.config = config
        width = config.vision_config.hidden_size
        language_width = config.text_config.hidden_size
        question_width = config.qformer_config.hidden_size
        self.question_encoder = QuestionEncoder(config)
        self.score_network = ScoreNetwork(
            width, config.score_hidden_size, question_width if config.question_aware_score else None
        )
        self.rods = Rods(question_width, width)
        self.fine = Projector(width, language_width, config.projector_norm)
        self.coarse = Projector(width, language_width, config.projector_norm)
        self.slots = (
            nn.Parameter(torch.randn(config.cone_tokens + 2, language_width) * 0.02)
            if config.slot_embedding
            else None
        )

        self.focus_mark = nn.Parameter(torch.zeros(language_width)) if config.focus_embedding else None

    def prepare(self, patches: Tensor) -> VideoFeatures:
        """Position code and spatial prototypes.

        Shape:
            patches: (B, T, N, D_v), as the vision encoder gives them.
        """
        config = self.config
        if config.patch_position_scale:
            code = position_code(patches.shape[-2], patches.shape[-1], device=patches.device)
            patches = patches + (config.patch_position_scale * code).to(patches.dtype)
        prototypes = spatial_prototypes(
            patches.flatten(0, 1), tuple(config.spatial_prototypes), tuple(config.spatial_neighbours)
        )
        return VideoFeatures(patches, prototypes.unflatten(0, patches.shape[:2]))

    def select(
        self,
        features: VideoFeatures,
        *,
        events: int,
        key_events: int,
        question: Question | None = None,
        pinned: Tensor | None = None,
        exploration: Exploration | None = None,
    ) -> EventSelection:
        """DPE: T-DPC, the score network, and the top-k.

        Args:
            events: L, at most T.
            key_events: K, at most L.
            question: makes the score question-aware; None scores by pixels alone.
            pinned: (B, T) bool, frames that are event centres and key frames whatever their score;
                at most K of them.
            exploration: perturbs the top-k so that gradients reach the score network.
        """
        config = self.config
        patches = features.patches
        pooled = pool_grid(patches.flatten(0, 1), config.pooled_side).unflatten(0, patches.shape[:2])
        compared = pooled.mean(2) if config.event_feature == "frame_mean" else pooled.flatten(2)  # (B, T, *)
        clusters = cluster(compared, events, config.event_neighbours, pinned)
        prototypes = event_prototypes(pooled, clusters.assignment, events)  # (B, L, P, D_v)
        asked = None if question is None else self.question_encoder.embed(question.ids, question.mask)
        raw_scores = self.score_network(prototypes, asked).float()  # (B, L)
        scores = minmax_normalise(raw_scores)
        ranked = scores
        if pinned is not None:
            ranked = scores.masked_fill(pinned.gather(1, clusters.centres), 2.0)
        indicators = None
        if exploration is not None:
            indicators = perturbed_topk(
                ranked,
                key_events,
                sigma=exploration.sigma,
                samples=exploration.samples,
                generator=exploration.generator,
            )
        return EventSelection(
            clusters.assignment,
            clusters.centres,
            raw_scores,
            scores,
            hard_topk(ranked, key_events),
            prototypes,
            indicators,
        )

    def encode(
        self,
        features: VideoFeatures,
        selection: EventSelection,
        question: Question | None,
        pinned: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """CCE: the video tokens in time order, without their time codes.

        Shape:
            pinned: (B, T) bool, as `select` takes it.
            returns: tokens (B, M, D_l) and the frame of each token (B, M), M = 40 K + 2 (T - K).
        """
        rods = self._rods(features, question)  # (B, T, 2, D_l)
        cones = self._cones(features, selection)  # (B, K, C, D_l)
        if self.slots is not None:
            cones = cones + self.slots[:-2]
            rods = rods + self.slots[-2:]
        key_frames = selection.key_frames
        videos = [interleave(*video) for video in zip(rods, cones, key_frames, strict=True)]
        each_tokens, each_frame = zip(*videos, strict=True)
        tokens, frame_of_token = torch.stack(each_tokens), torch.stack(each_frame)
        if self.focus_mark is not None and pinned is not None:
            marked = pinned.gather(1, frame_of_token).unsqueeze(-1).to(tokens.dtype)  # (B, M, 1)
            tokens = tokens + marked * self.focus_mark.to(tokens.dtype)
        return tokens, frame_of_token

    def _rods(self, features: VideoFeatures, question: Question | None) -> Tensor:
        batch, frames = features.patches.shape[:2]
        ids = mask = None
        if question is not None:
            ids = question.ids.repeat_interleave(frames, 0)  # (B * T, S)
            mask = question.mask.repeat_interleave(frames, 0)
        queries = self.question_encoder(features.patches.flatten(0, 1), ids, mask)
        rods = self.rods(queries, features.prototypes.flatten(0, 1))  # (B * T, 2, D_v)
        return self.coarse(rods).unflatten(0, (batch, frames))

    def _cones(self, features: VideoFeatures, selection: EventSelection) -> Tensor:
        # DynFocus, CCE: F_fine(h_k || G_t); h_k is the event's prototype, G_t its centre frame's prototypes.
        batch = torch.arange(features.patches.shape[0], device=features.patches.device).unsqueeze(1)
        chosen = selection.event_prototypes[batch, selection.key_events]  # (B, K, P, D_v)
        cones = torch.cat((chosen, features.prototypes[batch, selection.key_frames]), dim=2)  # (B, K, C, D_v)
        if selection.indicators is not None:
            # Straight through: the forward pass is inference's, the gradient that of the expected choice.
            centres = features.prototypes[batch, selection.centres]  # (B, L, G, D_v)
            events = torch.cat((selection.event_prototypes, centres), dim=2).float()  # (B, L, C, D_v)
            expected = torch.einsum("bkl,blcd->bkcd", selection.indicators, events)
            cones = cones + (expected - expected.detach()).to(cones.dtype)
        return self.fine(cones)


def position_code(patches: int, width: int, *, device: torch.device | None = None) -> Tensor:
    """Fixed sine code of a patch's row and column, half of the width each: (N, D_v), values -1 to 1."""
    side = math.isqrt(patches)
    steps = torch.arange(side, dtype=torch.float32, device=device) / side  # 0 ... 1
    octaves = torch.arange(width // 4, device=device).remainder(4)
    angles = steps[:, None] * math.pi * 2.0**octaves  # (side, width / 4)
    axis = torch.cat((angles.sin(), angles.cos()), dim=1)  # (side, width / 2)
    rows = axis[:, None].expand(side, side, -1)
    columns = axis[None, :].expand(side, side, -1)
    return torch.cat((rows, columns), dim=2).flatten(0, 1)  # (N, D_v)
