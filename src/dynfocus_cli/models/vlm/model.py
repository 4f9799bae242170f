"""A public vision-language model behind the protocol of `models/protocol.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.dpe.density_peaks import Clusters
from dynfocus_cli.dpe.frame_selectors import select_frames
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.models.protocol import (
    Backend,
    Choice,
    Completion,
    Likelihoods,
    ScoredQuestion,
    VideoSession,
)
from dynfocus_cli.models.vlm.decoding import read_prompt
from dynfocus_cli.models.vlm.frames import VideoTokens
from dynfocus_cli.models.vlm.selection import distinctness, find_events, nearest_to_words, rank, similarity
from dynfocus_cli.models.vlm.selector import Selector, best_frames, event_scores
from dynfocus_cli.models.vlm.spec import VlmSpec
from dynfocus_cli.models.vlm.tokens import assemble, cones, rods
from dynfocus_cli.network.generation import Listener, likelihoods, write_on
from dynfocus_cli.options import GenerationOptions, SelectionOptions
from dynfocus_cli.types import VideoSource

STEP = 8
"""Frames that are projected at a time."""
COMPARED = 64
"""Frames that are compared with a question's words at a time."""


@dataclass(frozen=True, slots=True)
class VlmModel(Backend):
    """A model with its weights."""

    spec: VlmSpec
    network: Any
    """One of transformers' `...ForConditionalGeneration`."""
    selector: Selector | None = None
    """The dual encoder that chooses frames for a question, in place of the model's own word embeddings."""

    def tower(self, source: VideoSource, frames: int, selection: SelectionOptions) -> VisionTower:
        """The pass for every frame: a preview at a lower resolution where the family has one."""
        family = self.spec.family
        if selection.stock:
            return self.tower_of(family.scaling(source, frames), family.together)
        return self.tower_of(family.preview(source) or family.scaling(source, frames))

    def tower_of(self, scaling: Any, together: int = 1) -> VisionTower:
        """The vision encoder for frames of one size."""
        family, parameter = self.spec.family, self._vision_parameter

        def encode(pixels: Tensor) -> Tensor:
            if together == 1:
                return family.features(self.network, pixels, together)
            count = len(pixels)
            # The last frames of a video may be too few: the last one stands in, as in the makers' code.
            last = pixels[-1:].expand(-count % together, -1, -1, -1)
            features = family.features(self.network, torch.cat((pixels, last)), together)
            return features.repeat_interleave(together, dim=0)[:count]

        revision = f"{self.info.revision}{self.info.config}"
        return VisionTower(encode, scaling, revision, parameter.device, parameter.dtype, together)

    @property
    def vision_device(self) -> torch.device:
        return self._vision_parameter.device

    def move_vision(self, device: torch.device) -> None:
        """Moves the modules between pixels and tokens to a device."""
        for name in self.spec.family.vision:
            self.network.get_submodule(name).to(device)

    @property
    def selector_tower(self) -> VisionTower | None:
        return None if self.selector is None else self.selector.tower

    def session(
        self,
        source: VideoSource,
        frames: EncodedFrames,
        selection: SelectionOptions,
        selector_frames: EncodedFrames | None = None,
    ) -> VlmSession:
        return VlmSession(self, source, frames, selection, selector_frames)

    def check_domain(self, source: VideoSource, frames: EncodedFrames, question: ScoredQuestion) -> None:
        """Does nothing: what these models were trained on is not known."""

    @property
    def _vision_parameter(self) -> Tensor:
        module = self.network.get_submodule(self.spec.family.vision[0])
        parameter: Tensor = next(module.parameters())
        return parameter


class VlmSession(VideoSession):
    """A video's features, as the first look gave them."""

    def __init__(
        self,
        model: VlmModel,
        source: VideoSource,
        frames: EncodedFrames,
        selection: SelectionOptions,
        selector_frames: EncodedFrames | None = None,
    ) -> None:
        self._model = model
        self._family = model.spec.family
        self._source = source
        self._frames = frames
        self._selection = selection
        self._selector_frames = selector_frames

    @torch.inference_mode()
    def choose(
        self, question: ScoredQuestion, allowance: Allowance, pinned: tuple[int, ...], seed: int
    ) -> Choice:
        """Events, their scores, and the best of them; with `stock` every frame."""
        count, price = len(self._frames.times_s), allowance.price
        if self._selection.stock:
            every = tuple(range(count))
            return Choice(every, (1.0,) * count, every, price)
        device = self._model.spec.device
        mask: Tensor | None = None
        if pinned:
            mask = torch.zeros(1, count, dtype=torch.bool, device=device)
            mask[0, list(pinned)] = True
        by_frame = self._selection.frame_selector != "events"
        compared = self._family.compared(self._frames.patches).to(device)
        clusters = find_events(compared, count if by_frame else allowance.events, mask)
        scores = distinctness(clusters)
        if question.scorer == "question":
            assert question.question is not None, "the scorer was checked"
            clusters, scores = self._by_question(clusters, question.question, mask)
        scores, keys = rank(scores, clusters, allowance.key_frames, mask)
        if by_frame:  # each frame is an event, and so a number of one is that of the other
            selector, times_s = self._selection.frame_selector, self._frames.times_s
            keys = select_frames(selector, scores, times_s, allowance.key_frames, pinned)
        return Choice(
            events=tuple(clusters.assignment[0].tolist()),
            scores=tuple(scores.tolist()),
            key_frames=tuple(keys.tolist()),
            price=price,
            pinned=pinned,
        )

    def _by_question(
        self, clusters: Clusters, question: str, pinned: Tensor | None
    ) -> tuple[Clusters, Tensor]:
        """The events, and how well each fits the question (L,). By a selector, an event's centre becomes the
        frame that fits best."""
        selector, frames = self._model.selector, self._selector_frames
        if selector is not None and frames is not None:
            fits = selector.similarities(question, frames).to(clusters.centres.device)  # (T,)
            return replace(clusters, centres=best_frames(fits, clusters, pinned)), event_scores(
                fits, clusters
            )
        words, centres = self._words(question), clusters.centres[0].tolist()
        nearest = [
            nearest_to_words(words, self._projected(self._frames, centres[at : at + COMPARED]))
            for at in range(0, len(centres), COMPARED)
        ]
        return clusters, similarity(torch.cat(nearest))

    def detail_tower(self, choice: Choice) -> VisionTower | None:
        """Full resolution for key frames, where the first pass was a preview."""
        preview, whole = self._family.preview(self._source), self._family.scaling(self._source, 1)
        if self._selection.stock or preview is None or preview == whole:
            return None
        return self._model.tower_of(whole)

    @torch.inference_mode()
    def answer(
        self,
        choice: Choice,
        detail: EncodedFrames | None,
        question: ScoredQuestion,
        subtitles: Sequence[str],
        options: GenerationOptions,
        listener: Listener | None,
    ) -> Completion:
        """The family's prompt around the chosen tokens, to the language model."""
        prompt = self._model.spec.prompt
        read = read_prompt(self._model, *self.prompt(choice, detail, question, subtitles))
        draw = torch.Generator().manual_seed(options.seed)
        ids = write_on(read, prompt.tokenizer, prompt.ends, options, draw, listener)
        return Completion(prompt.read(ids), len(ids), read.text_tokens)

    @torch.inference_mode()
    def likelihoods(
        self, choice: Choice, detail: EncodedFrames | None, question: ScoredQuestion, subtitles: Sequence[str]
    ) -> Likelihoods:
        """How likely each letter is as the answer."""
        read = read_prompt(self._model, *self.prompt(choice, detail, question, subtitles))
        answers = self._model.spec.prompt.answers(question.answers, question.prefix)
        return Likelihoods(likelihoods(read, answers), read.text_tokens)

    @torch.inference_mode()
    def prompt(
        self, choice: Choice, detail: EncodedFrames | None, question: ScoredQuestion, subtitles: Sequence[str]
    ) -> tuple[Tensor, Tensor, VideoTokens]:
        """The prompt's ids (S,), a mask of the video's among them (S,), and the video's tokens."""
        video = self.video_tokens(choice, detail, question)
        ids, is_video = self._model.spec.prompt.ids(question.text, subtitles, video, question.prefix)
        return ids, is_video, video

    def video_tokens(
        self, choice: Choice, detail: EncodedFrames | None, question: ScoredQuestion
    ) -> VideoTokens:
        """CCE: cones of key frames and rods of the others, in time order."""
        family, stock = self._family, self._selection.stock
        together = family.together if stock else 1
        times_s, keys = self._frames.times_s, choice.key_frames
        grid = family.grid(family.scaling(self._source, len(times_s) if stock else 1))
        if detail is None:
            shown, places = self._frames, list(keys[::together])
        else:
            shown, places = detail, list(range(len(keys)))
        pieces = [
            cones(self._projected(shown, places[at : at + STEP]), grid, choice.price.key)
            for at in range(0, len(places), STEP)
        ]
        tokens, where = (torch.cat(part) for part in zip(*pieces, strict=True))
        words = self._words(question.question or "")
        each = 0 if stock else choice.price.other
        rod_tokens = partial(self._rods, words=words, each=each) if each else None
        duration_s = self._source.duration_s
        return assemble(keys, tokens, where, rod_tokens, grid, times_s, duration_s, together)

    def _rods(self, frames: Sequence[int], words: Tensor, each: int) -> Tensor:
        """(R, `each`, W): both rods, or the question's view alone."""
        return torch.cat(
            [
                rods(self._projected(self._frames, frames[at : at + STEP]), words)[:, :each]
                for at in range(0, len(frames), STEP)
            ]
        )

    def _projected(self, frames: EncodedFrames, places: Sequence[int]) -> Tensor:
        """(B, n, W): tokens of the frames at `places`, on the model's device."""
        spec = self._model.spec
        vision = self._model.vision_device
        features = frames.patches[list(places)].to(vision, spec.dtype)
        return self._family.project(self._model.network, features).to(spec.device)

    def _words(self, question: str) -> Tensor:
        """(S, D_l): the question's word embeddings."""
        ids = torch.tensor(self._model.spec.prompt.words(question), device=self._model.spec.device)
        embedded: Tensor = self._model.network.get_input_embeddings()(ids)
        return embedded
