"""The paper's network behind the protocol of `models/protocol.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.dpe.frame_selectors import select_frames
from dynfocus_cli.features.domain import Domain
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.encoding import VisionTower
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.protocol import (
    Backend,
    Choice,
    Completion,
    Likelihoods,
    ScoredQuestion,
    VideoSession,
)
from dynfocus_cli.network.alternatives import named_alternatives
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.generation import Listener, generate, rank_answers, rank_letters
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import EventSelection, Question, VideoFeatures
from dynfocus_cli.options import GenerationOptions, SelectionOptions
from dynfocus_cli.types import DomainCheck, VideoSource


@dataclass(frozen=True, slots=True)
class LoadedModel(Backend):
    """The paper's network with everything that belongs to it."""

    spec: DynFocusSpec
    network: DynFocusModel
    familiarity: Familiarity | None
    """Recognises frames like those of its training; None makes no claim."""
    domain: Domain
    """What else is known of its training."""

    @property
    def config(self) -> DynFocusConfig:
        """The network's sizes and settings."""
        return self.spec.config

    @property
    def prompt(self) -> PromptWriter:
        """What writes prompts and reads answers."""
        return self.spec.prompt

    @property
    def device(self) -> torch.device:
        """Where the network runs; its vision encoder may be elsewhere for want of room."""
        return self.spec.device

    @property
    def vision_tower(self) -> VisionTower:
        """What turns frames into features, whatever the question."""
        vision = self.network.vision
        return VisionTower(
            self.network.encode_frames,
            self.spec.preprocessing,
            f"{self.info.revision}{self.info.config}",
            vision.device,
            vision.dtype,
        )

    def tower(self, source: VideoSource, frames: int, selection: SelectionOptions) -> VisionTower:
        return self.vision_tower

    @property
    def vision_device(self) -> torch.device:
        return self.network.vision.device

    def move_vision(self, device: torch.device) -> None:
        vision: torch.nn.Module = self.network.vision
        vision.to(device)

    def encode_question(self, question: str | None) -> Question | None:
        """The question as the Q-Former reads it, a batch of one."""
        if question is None:
            return None
        longest = self.network.config.longest_question
        ids = torch.tensor([self.prompt.question(question, longest)], device=self.device)
        return Question(ids, torch.ones_like(ids))

    def session(
        self,
        source: VideoSource,
        frames: EncodedFrames,
        selection: SelectionOptions,
        selector_frames: EncodedFrames | None = None,
    ) -> DynFocusSession:
        return DynFocusSession(self, source, frames, selection)

    @torch.inference_mode()
    def check_domain(
        self, source: VideoSource, frames: EncodedFrames, question: ScoredQuestion
    ) -> DomainCheck | None:
        """Whether video and question are like the training that the model folder describes, if it does."""
        known, domain = self.familiarity, self.domain
        if known is None and domain == Domain():
            return None
        shots = None
        if domain.shots is not None:
            patches = frames.patches.to(self.device, self.spec.dtype).unsqueeze(0)
            connector = self.network.connector
            counted = connector.count_shots(connector.prepare(patches))
            shots = None if counted is None else int(counted)
        departures = domain.video_departures(source, frames.times_s, shots)
        if known is not None and not known.is_familiar(frames.patches):
            departures = (*departures, "it looks like none that training had")
        if question.question is None:
            return DomainCheck(departures)
        return DomainCheck(departures, self.question_departures(question.question, question.own_answers))

    def question_departures(self, question: str, answers: Sequence[str]) -> tuple[str, ...]:
        return self.domain.question_departures(self.spec.read(question), answers)


class DynFocusSession(VideoSession):
    """A video's features, with their spatial prototypes."""

    @torch.inference_mode()
    def __init__(
        self, model: LoadedModel, source: VideoSource, frames: EncodedFrames, selection: SelectionOptions
    ) -> None:
        self._model = model
        self._selection = selection
        self._price = model.spec.price(source, len(frames.times_s), selection)
        patches = frames.patches.to(model.device, model.spec.dtype)
        self._features: VideoFeatures = model.network.connector.prepare(patches.unsqueeze(0))
        # float64: ten hours in, float32 is off by milliseconds.
        self._times_s = torch.tensor([frames.times_s], dtype=torch.float64, device=model.device)

    @torch.inference_mode()
    def choose(
        self, question: ScoredQuestion, allowance: Allowance, pinned: tuple[int, ...], seed: int
    ) -> Choice:
        selector = self._selection.frame_selector
        selection = self._model.network.connector.select(
            self._features,
            events=allowance.events,
            key_events=allowance.key_frames,
            scorer=question.scorer,
            question=self._encoded(question),
            pinned=self._mask(pinned),
            generator=torch.Generator().manual_seed(seed),
        )
        if selector != "events":  # each frame is an event, and so a number of one is that of the other
            times_s, count = self._times_s[0].tolist(), allowance.key_frames
            keys = select_frames(selector, selection.scores[0], times_s, count, pinned)
            selection = replace(selection, key_events=keys.unsqueeze(0))
        return Choice(
            events=tuple(selection.assignment[0].tolist()),
            scores=tuple(selection.scores[0].tolist()),
            key_frames=tuple(selection.key_frames[0].tolist()),
            price=self._price,
            pinned=pinned,
            inner=selection,
        )

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
        model, text = self._model, question.text
        tokens, frame_of_token = self._tokens(choice, question)
        length = model.prompt.length(text, subtitles, question.prefix)
        plain = model.config.answer_named_alternative and question.wording is None
        alternatives = named_alternatives(text) if plain else ()
        if alternatives and model.config.abstention is not None:
            alternatives = (*alternatives, model.config.abstention)
        if alternatives and options.temperature == 0:
            ranked = rank_answers(model.network, model.prompt, tokens, text, subtitles, alternatives)
            alternative = alternatives[ranked.best]
            if listener is not None:
                listener(alternative)
            shares = self._frame_shares(ranked.attention, frame_of_token)
            return Completion(alternative, len(model.prompt.answer(alternative)) - 1, length, shares)
        answer = generate(
            model.network, model.prompt, tokens, text, subtitles, options, listener, question.prefix
        )
        shares = self._frame_shares(answer.attention, frame_of_token)
        return Completion(model.prompt.read(answer.ids), len(answer.ids), length, shares)

    @torch.inference_mode()
    def likelihoods(
        self, choice: Choice, detail: EncodedFrames | None, question: ScoredQuestion, subtitles: Sequence[str]
    ) -> Likelihoods:
        """Of each answer with the end mark after it; of letters of listed options without."""
        model, text, prefix = self._model, question.text, question.prefix
        tokens, frame_of_token = self._tokens(choice, question)
        context = (model.network, model.prompt, tokens, text, subtitles, question.answers)
        ranked = rank_answers(*context) if question.wording is None else rank_letters(*context, prefix)
        shares = self._frame_shares(ranked.attention, frame_of_token)
        return Likelihoods(ranked.log_likelihoods, model.prompt.length(text, subtitles, prefix), shares)

    def _tokens(self, choice: Choice, question: ScoredQuestion) -> tuple[Tensor, Tensor]:
        """Cones and rods in time order (M, D_l), and the frame of each (M,); with `rods=False` those of key
        frames alone, the (0, 40) of the poster's ablation."""
        selection: EventSelection = choice.inner
        tokens, frame_of_token = self._model.network.video_tokens(
            self._features,
            selection,
            self._encoded(question),
            self._times_s,
            self._mask(choice.pinned),
        )
        if self._selection.rods is not False:
            return tokens[0], frame_of_token[0]
        is_key = torch.isin(frame_of_token[0], selection.key_frames[0])  # (M,)
        return tokens[0, is_key], frame_of_token[0, is_key]

    def _encoded(self, question: ScoredQuestion) -> Question | None:
        """The question alone, as the Q-Former reads it."""
        model, text = self._model, question.question
        return model.encode_question(None if text is None else model.spec.read(text))

    def _frame_shares(self, attention: Tensor, frame_of_token: Tensor) -> tuple[float, ...]:
        """The share of attention of each frame's tokens together: T numbers, of two tensors (M,)."""
        shares = attention.new_zeros(self._features.frames)
        return tuple(shares.index_add(0, frame_of_token, attention).tolist())

    def _mask(self, frames: Sequence[int]) -> Tensor | None:
        """(1, T) bool, or None where no frame is named."""
        if not frames:
            return None
        mask = torch.zeros(1, self._features.frames, dtype=torch.bool, device=self._times_s.device)
        mask[0, list(frames)] = True
        return mask
