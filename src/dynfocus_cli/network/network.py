"""The whole network: vision encoder, cooperative connector, language model."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import InstructBlipVisionModel, LlamaForCausalLM, PreTrainedModel

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import CooperativeConnector
from dynfocus_cli.network.stages import EventSelection, Question, VideoFeatures


class DynFocusModel(PreTrainedModel):
    """DynFocus (Han et al., CVPR 2025), at any size its config names."""

    config_class = DynFocusConfig
    config: DynFocusConfig
    main_input_name = "pixel_values"
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: DynFocusConfig) -> None:
        super().__init__(config)
        self.vision = InstructBlipVisionModel(config.vision_config)
        self.connector = CooperativeConnector(config)
        self.language_model = LlamaForCausalLM(config.text_config)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Leaves the connector's modules as their constructors made them; the parts from transformers
        initialise themselves."""

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The language model's word embeddings."""
        words = self.language_model.get_input_embeddings()
        assert isinstance(words, torch.nn.Embedding)
        return words

    def set_input_embeddings(self, value: torch.nn.Module) -> None:
        """Replaces the language model's word embeddings."""
        self.language_model.set_input_embeddings(value)

    def encode_frames(self, pixels: Tensor) -> Tensor:
        """Patch features V without the final norm, and without CLS where the Q-Former does not see it.

        Shape:
            pixels: (T, 3, H, W). Returns (T, N, D_v), or with the class token first (T, 1 + N, D_v).
        """
        # Not `vision(...).last_hidden_state`: that one has been through post_layernorm (golden/NOTES).
        embedded = self.vision.embeddings(pixels)
        visual: Tensor = self.vision.encoder(embedded).last_hidden_state
        return visual if self.config.class_token else visual[:, 1:]

    def video_tokens(
        self,
        features: VideoFeatures,
        selection: EventSelection,
        question: Question | None,
        times_s: Tensor,
        pinned: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """CCE's tokens with the time codes of their frames.

        Shape:
            times_s: (B, T) seconds.
            pinned: (B, T) bool, frames at moments that the question names.
            returns: tokens (B, M, D_l) and the frame of each token (B, M).
        """
        tokens, frame_of_token = self.connector.encode(
            features, selection, self.connector.read(features, question), pinned
        )
        if self.config.time_encoding == "timecode":
            clock = self.time_code(times_s)  # (B, T, D_l)
            places = frame_of_token.unsqueeze(-1).expand_as(tokens)
            tokens = tokens + clock.to(tokens.dtype).gather(1, places)
        return tokens, frame_of_token

    def time_code(self, times_s: Tensor) -> Tensor:
        """The word embeddings of each time's minutes and seconds, added up: (B, T) -> (B, T, D_l).

        A frame thereby carries the very vectors that a question's "01:24" is made of. Hours are left out:
        minutes beyond the last known word stay at it.
        """
        whole = times_s.long()
        minutes = torch.tensor(self.config.minute_token_ids, device=times_s.device)
        seconds = torch.tensor(self.config.second_token_ids, device=times_s.device)
        embed = self.get_input_embeddings()
        minute = minutes[(whole // 60).clamp(max=len(minutes) - 1)]
        return embed(minute) + embed(seconds[whole % 60])
