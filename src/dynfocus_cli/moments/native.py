"""The paper's network with a retrieval head as a retriever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dynfocus_cli.checkpoints.identity import retrieval_digest
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.domain import MOST_NAMED, Domain
from dynfocus_cli.features.encoding import VisionTower, encode_video
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.network.retrieval import RetrievalHead, caption_ids
from dynfocus_cli.network.stages import Question
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import VideoSource

LOOKS = 12
"""Frames that tell whether a video looks like those of the training: as many as were measured there."""
LAST_FRAME_S = 0.2
"""The last of them is looked at so long before the end, seconds."""


class NativeRetriever(Retriever):
    """The paper's network with its retrieval head; the network is loaded when a frame has to be encoded."""

    is_measured = True

    def __init__(self, spec: DynFocusSpec, head: RetrievalHead, load: Callable[[], Backend]) -> None:
        """
        Raises:
            ModelUnavailable: the head is of another network.
        """
        self.name, self.info, self.fps = spec.name, spec.info, spec.defaults.fps
        self.weights, self.device, self.fallback = spec.memory.weights, spec.device, spec.fallback
        self.revision = f"{spec.info.revision}{spec.info.config}{retrieval_digest(spec.folder)}"
        _check(spec, head)
        self.scale, self.bias, self.threshold = float(head.scale), float(head.bias), float(head.threshold)
        self._spec, self._head, self._load = spec, head, load

    @cached_property
    def tower(self) -> VisionTower:
        model = self._load()
        assert isinstance(model, LoadedModel)
        network = model.vision_tower
        encoder = self._head.frame.to(network.device)

        @torch.inference_mode()
        def encode(pixels: Tensor) -> Tensor:
            return encoder(network.encode(pixels)[:, -model.config.patches :].float()).unsqueeze(1)

        return replace(network, encode=encode, revision=self.revision)

    @torch.inference_mode()
    def text(self, caption: str) -> Tensor:
        ids = caption_ids(self._spec.prompt, caption, self._head.sizes.longest)
        return self._head.text(Question.padded([ids]))[0].clone()

    def video_departures(self, source: VideoSource, decoding: DecodingOptions) -> tuple[str, ...] | None:
        """By the shape of its picture, and by how some of its frames look."""
        if self._training is None:
            return None
        domain, known = self._training
        departures = domain.video_departures(source, (0.0,), None)
        if known is None:
            return departures
        model = self._load()
        assert isinstance(model, LoadedModel)
        last_s = max(source.first_frame_s, source.duration_s - LAST_FRAME_S)
        moments_s = dict.fromkeys(np.linspace(source.first_frame_s, last_s, LOOKS).tolist())
        encoding = encode_video(
            source,
            list(moments_s),
            model.vision_tower,
            FeatureCache.default() if decoding.cache else None,
            decoding.hwaccel,
            Silent(),
            Stopwatch(),
            batch_size=LOOKS,
        )
        familiar = known.is_familiar(encoding.frames.patches[:, -model.config.patches :])
        return departures if familiar else (*departures, "it looks like none that training had")

    @cached_property
    def _training(self) -> tuple[Domain, Familiarity | None] | None:
        """What the model folder says of it; None where it says nothing."""
        domain, known = Domain.load(self._spec.folder), Familiarity.load(self._spec.folder)
        return None if known is None and domain == Domain() else (domain, known)

    def caption_departures(self, caption: str) -> tuple[str, ...]:
        """By its words."""
        unknown = () if self._training is None else self._head.unknown_words(caption)
        if not unknown:
            return ()
        named = ", ".join(map(repr, unknown[:MOST_NAMED]))
        return (f"training had no caption with {named}{' and others' if unknown[MOST_NAMED:] else ''}",)


def _check(spec: DynFocusSpec, head: RetrievalHead) -> None:
    """Raises ModelUnavailable where the head reads other features or other words."""
    sizes, config = head.sizes, spec.config
    needed = config.vision_config.hidden_size, config.qformer_config.vocab_size
    if (sizes.vision_width, sizes.vocabulary) != needed:
        raise ModelUnavailable(
            f"The retrieval.safetensors in {spec.folder} is of another network: it reads features of "
            f"{sizes.vision_width} numbers and {sizes.vocabulary} words, where the network has {needed[0]} "
            f"and {needed[1]}."
        )
