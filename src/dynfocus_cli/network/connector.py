"""The cooperative network between the vision encoder and the language model: DPE and CCE, end to end.

Everything here takes a leading batch of videos with equally many frames; a single video is a batch of one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dynfocus_cli.cce.change import RodChange
from dynfocus_cli.cce.interleave import interleave, other_frames
from dynfocus_cli.cce.rods import Rods
from dynfocus_cli.cce.spatial_prototypes import PrototypeGate, spatial_prototypes
from dynfocus_cli.dpe.density_peaks import Clusters, cluster
from dynfocus_cli.dpe.event_prototypes import event_prototypes, pool_grid
from dynfocus_cli.dpe.kmeans import initial_frames, kmeans
from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.dpe.topk import hard_topk, minmax_normalise, perturbed_topk
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.question_encoder import QuestionEncoder
from dynfocus_cli.network.stages import EventSelection, Exploration, Question, VideoFeatures
from dynfocus_cli.scorers import SCORERS
from dynfocus_cli.types import Scorer

QFORMER_PATCHES = 16 * 257
"""Patches that the Q-Former looks at in one step; bounds memory whatever T."""


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
        self.score_network = None
        if config.score_network:
            self.score_network = ScoreNetwork(
                width, config.score_hidden_size, question_width if config.question_aware_score else None
            )
        self.gate = PrototypeGate(config.spatial_prototypes[-1]) if config.prototype_gate else None
        self.rods = Rods(question_width, width)
        self.fine = Projector(width, language_width, config.projector_norm)
        split = config.rod_projectors == "split"
        self.coarse = None if split else Projector(width, language_width, config.projector_norm)
        self.context = nn.Linear(width, language_width) if split else None
        self.change = None
        if config.change_window:
            self.change = RodChange(
                width, language_width, config.change_window, config.change_shots, config.change_quantiles
            )
        slots = config.cone_tokens + config.rod_tokens
        self.slots = nn.Parameter(torch.empty(slots, language_width)) if config.slot_embedding else None
        if self.slots is not None:
            nn.init.normal_(self.slots, std=0.02)
        self.focus_mark = nn.Parameter(torch.zeros(language_width)) if config.focus_embedding else None

    def prepare(self, visual: Tensor) -> VideoFeatures:
        """Position code and spatial prototypes.

        Shape:
            visual: (B, T, N, D_v), or with a class token (B, T, 1 + N, D_v), as the vision encoder gives it.
        """
        config = self.config
        class_token, patches = (visual[:, :, :1], visual[:, :, 1:]) if config.class_token else (None, visual)
        if config.patch_position_scale:
            code = position_code(patches.shape[-2], patches.shape[-1], device=patches.device)
            patches = patches + (config.patch_position_scale * code).to(patches.dtype)
        spatial = spatial_prototypes(
            patches.flatten(0, 1),
            tuple(config.spatial_prototypes),
            tuple(config.spatial_neighbours),
            config.spatial_rule,
        )
        prototypes = spatial.tokens if self.gate is None else self.gate(spatial)
        return VideoFeatures(patches, prototypes.unflatten(0, patches.shape[:2]), class_token)

    def read(self, features: VideoFeatures, question: Question | None) -> Tensor:
        """The Q-Former's queries for every frame: (B, T, Q, D_q)."""
        batch, frames, patches = features.patches.shape[:3]
        visual = features.patches.flatten(0, 1)  # (B * T, N, D_v)
        classes = None if features.class_token is None else features.class_token.flatten(0, 1)
        video = torch.arange(batch, device=visual.device).repeat_interleave(frames)  # (B * T,)
        read = []
        step = max(1, QFORMER_PATCHES // patches)
        for rows in (slice(start, start + step) for start in range(0, batch * frames, step)):
            seen = visual[rows] if classes is None else torch.cat((classes[rows], visual[rows]), dim=1)
            if question is None:
                read.append(self.question_encoder(seen, None))
            else:
                first, last = int(video[rows][0]), int(video[rows][-1])
                asked = slice(first, last + 1)
                row = video[rows] - first
                read.append(self.question_encoder(seen, question.ids[asked], question.mask[asked], row))
        return torch.cat(read).unflatten(0, (batch, frames))

    def select(
        self,
        features: VideoFeatures,
        *,
        events: int,
        key_events: int,
        scorer: Scorer | None = None,
        question: Question | None = None,
        pinned: Tensor | None = None,
        exploration: Exploration | None = None,
        generator: torch.Generator | None = None,
    ) -> EventSelection:
        """DPE: T-DPC, the scorer, and the top-k.

        Args:
            events: L, at most T.
            key_events: K, at most L.
            scorer: None takes `question` or `visual`, as there is a question or none.
            question: what the scorers `question` and `attention` compare the events with.
            pinned: (B, T) bool, frames that are event centres and key frames whatever their score;
                at most K of them.
            exploration: perturbs the top-k so that gradients reach the score network.
            generator: draws the frames that k-means starts from.

        Raises:
            ValueError: a scorer that this network lacks, or that lacks its question.
        """
        clusters, prototypes = self._events(features, events, pinned, generator)
        scorer = scorer or ("visual" if question is None else "question")
        raw_scores = self._scores(scorer, features, clusters, prototypes, question)  # (B, L)
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
        queries: Tensor,
        pinned: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """CCE: the video tokens in time order, without their time codes.

        Shape:
            queries: (B, T, Q, D_q), as `read` gives them.
            pinned: (B, T) bool, as `select` takes it.
            returns: tokens (B, M, D_l) and the frame of each token (B, M), M = 40 K + 2 (T - K).
        """
        frames, with_rods, points = features.frames, self.config.key_frame_rods, self._points(features)
        if with_rods or frames == 1:
            rods = self._rods(points, queries, features.patches)  # (B, T, R, D_l)
        else:
            batch = torch.arange(len(queries), device=queries.device).unsqueeze(1)
            others = other_frames(frames, selection.key_frames)  # (B, T - K)
            if self.change is None:
                rods = self._rods(points[batch, others], queries[batch, others])  # (B, T - K, R, D_l)
            else:  # the frames around may be key frames
                rods = self._rods(points, queries, features.patches)[batch, others]
        cones = self._cones(features, selection)  # (B, K, C, D_l)
        if self.slots is not None:
            cones = cones + self.slots[: cones.shape[2]]
            rods = rods + self.slots[cones.shape[2] :]
        if not with_rods and frames == 1:
            # DynFocus release, slow_fast_modeling: a single frame has its rods after all, ahead of its cones.
            tokens = torch.cat((rods[:, 0], cones[:, 0]), dim=1)
            frame_of_token = torch.zeros(tokens.shape[:2], dtype=torch.int64, device=tokens.device)
        else:
            videos = [
                interleave(*video, key_frame_rods=with_rods)
                for video in zip(rods, cones, selection.key_frames, strict=True)
            ]
            each_tokens, each_frame = zip(*videos, strict=True)
            tokens, frame_of_token = torch.stack(each_tokens), torch.stack(each_frame)
        if self.focus_mark is not None and pinned is not None:
            marked = pinned.gather(1, frame_of_token).unsqueeze(-1).to(tokens.dtype)  # (B, M, 1)
            tokens = tokens + marked * self.focus_mark.to(tokens.dtype)
        return tokens, frame_of_token

    def count_shots(self, features: VideoFeatures) -> Tensor | None:
        """How many shots each video has: (B,), or None where the network does not tell them apart."""
        if self.change is None or self.change.shots is None:
            return None
        queries, points = self.read(features, None), self._points(features)
        batch = points.shape[:2]
        both = self.rods(queries.flatten(0, 1), points.flatten(0, 1), self.config.content_side)
        rods = torch.cat(both, dim=1).unflatten(0, batch)  # (B, T, R, D_v)
        return self.change.count_shots(rods, features.patches)

    def _events(
        self,
        features: VideoFeatures,
        events: int,
        pinned: Tensor | None,
        generator: torch.Generator | None,
    ) -> tuple[Clusters, Tensor]:
        """The events of each video and their prototypes (B, L, P, D_v)."""
        config, patches = self.config, features.patches
        pooled = pool_grid(patches.flatten(0, 1), config.pooled_side).unflatten(0, patches.shape[:2])
        compared = pooled.mean(2) if config.event_feature == "frame_mean" else pooled.flatten(2)  # (B, T, *)
        # The release clusters where there are more frames than events; before that the frames are the events.
        if config.temporal_clustering == "dpc_knn" or events >= patches.shape[1]:
            clusters = cluster(compared, events, config.event_neighbours, pinned)
            return clusters, event_prototypes(pooled, clusters.assignment, events)
        runs = []
        for number, video in enumerate(pooled.flatten(2)):
            forced = None if pinned is None else pinned[number]
            initial = initial_frames(len(video), events, generator, forced).to(video.device)
            runs.append(kmeans(video, initial, generator))
        each, centroids = zip(*runs, strict=True)
        clusters = Clusters(
            torch.stack([one.centres for one in each]),
            torch.stack([one.assignment for one in each]),
            torch.stack([one.log_rank for one in each]),
        )
        return clusters, torch.stack(centroids).unflatten(2, pooled.shape[2:])

    def _scores(
        self,
        scorer: Scorer,
        features: VideoFeatures,
        clusters: Clusters,
        prototypes: Tensor,
        question: Question | None,
    ) -> Tensor:
        """(B, L) float32: one raw score an event."""
        if scorer == "density":
            if self.config.temporal_clustering != "dpc_knn":
                raise ValueError("events found by k-means have no density to be scored by")
            return _finite(clusters.log_rank).float()
        if SCORERS[scorer].needs_question and question is None:
            raise ValueError(f"scorer {scorer} needs a question")
        if scorer == "attention":
            return self._attention_scores(features, clusters.centres, question)
        if not SCORERS[scorer].learned or self.score_network is None:
            raise ValueError(f"this network has no score network for scorer {scorer}")
        embedding = None
        if scorer == "question" and question is not None:
            embedding = self.question_encoder.embed(question.ids, question.mask)
        return self.score_network(prototypes, embedding).float()

    def _attention_scores(
        self, features: VideoFeatures, centres: Tensor, question: Question | None
    ) -> Tensor:
        """How much more the queries find in each event's centre frame with the question than without: (B, L).

        What a query finds is the log of the summed, unnormalised attention to the frame's points: the softmax
        of the rods ends at 1 in every frame, its denominator does not. What is left without a question is the
        frame's own pull, whatever is asked, and is taken off.
        """
        batch = torch.arange(len(centres), device=centres.device).unsqueeze(1)
        classes = features.class_token
        frames = VideoFeatures(
            features.patches[batch, centres],
            features.prototypes[batch, centres],
            None if classes is None else classes[batch, centres],
        )
        # Side by side, so that the rods fold their matrices once.
        with_question, without = self.read(frames, question), self.read(frames, None)  # (B, L, Q, D_q)
        queries = torch.cat((with_question, without), dim=2).flatten(0, 1)
        logits = self.rods.logits(queries, self._points(frames).flatten(0, 1))  # (B * L, 2 Q, N)
        attention = logits.logsumexp(dim=2).unflatten(1, (2, -1)).mean(dim=2)  # (B * L, 2)
        return (attention[:, 0] - attention[:, 1]).unflatten(0, centres.shape)

    def _points(self, features: VideoFeatures) -> Tensor:
        """What rods attend to: (B, T, G, D_v) or (B, T, N, D_v)."""
        return features.patches if self.config.rod_source == "patches" else features.prototypes

    def _rods(self, points: Tensor, queries: Tensor, patches: Tensor | None = None) -> Tensor:
        """The rods (B, T, R, D_l) of frames with these points and queries; for their change, patches too."""
        config, batch = self.config, points.shape[:2]
        context, content = self.rods(queries.flatten(0, 1), points.flatten(0, 1), config.content_side)
        changes = None
        if self.change is not None:
            assert patches is not None, "change is seen in the patches"
            rods = torch.cat((context, content), dim=1).unflatten(0, batch)
            changes = self.change(rods, patches).flatten(0, 1)
        # Both in one pass where one projector takes both.
        if self.coarse is not None:
            context, content = self.coarse(torch.cat((context, content), dim=1)).tensor_split([1], dim=1)
        elif self.context is not None:
            context, content = self.context(context), self.fine(content)
        if changes is not None:
            context, content = context + changes[:, :1], content + changes[:, 1:]
        parts = (context, content) if config.rod_order == "context_content" else (content, context)
        return torch.cat(parts, dim=1).unflatten(0, batch)

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


def _finite(log_rank: Tensor) -> Tensor:
    """Ranks whose least finite one also stands for minus infinity, what copies of a denser frame have: any
    number far below would leave no difference between the others once they are scaled to 0 ... 1."""
    least = log_rank.masked_fill(log_rank.isinf(), torch.inf).amin(dim=-1, keepdim=True)
    return torch.where(log_rank.isinf(), torch.where(least.isinf(), 0.0, least), log_rank)


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
