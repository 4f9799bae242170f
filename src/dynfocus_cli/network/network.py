"""The whole network: vision encoder, cooperative connector, language model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import CooperativeConnector
from dynfocus_cli.network.language_model import LanguageModel
from dynfocus_cli.network.stages import EventSelection, Question, VideoFeatures
from dynfocus_cli.network.vision_transformer import VisionTransformer

OUTPUT_LAYER = "language_model.lm_head.weight"
"""Stored only where it is not the word embeddings."""


class DynFocusModel(torch.nn.Module):
    """DynFocus (Han et al., CVPR 2025), at any size its config names."""

    def __init__(self, config: DynFocusConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = VisionTransformer(config.vision_config)
        self.connector = CooperativeConnector(config)
        self.language_model = LanguageModel(config.text_config)

    def get_input_embeddings(self) -> torch.nn.Embedding:
        """The language model's word embeddings."""
        return self.language_model.model.embed_tokens

    def stored(self) -> dict[str, Tensor]:
        """The tensors of a model folder, by name; tied ones once."""
        tied = self.config.text_config.tie_word_embeddings
        return {name: each for name, each in self.state_dict().items() if not tied or name != OUTPUT_LAYER}

    def save_pretrained(self, folder: Path) -> None:
        """Writes `config.json` and `model.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        dtype = str(self.vision.dtype).removeprefix("torch.")
        replace(self.config, dtype=dtype).save_pretrained(folder)
        tensors = {name: tensor.contiguous() for name, tensor in self.stored().items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    def encode_frames(self, pixels: Tensor) -> Tensor:
        """Patch features V without the final norm, and without CLS where the Q-Former does not see it.

        Shape:
            pixels: (T, 3, H, W). Returns (T, N, D_v), or with the class token first (T, 1 + N, D_v).
        """
        # Not `vision(pixels)`: that has been through post_layernorm (golden/NOTES).
        visual = self.vision.features(pixels)
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
