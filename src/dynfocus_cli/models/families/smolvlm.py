"""SmolVLM2: square frames, each with its time in words before it.

Facts: transformers, models/smolvlm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from dynfocus_cli.models.vlm.family import Family, even_frames
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.scaling import FrameScaling
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource

PROMPT = "<|im_start|>User: <video>{text}<end_of_utterance>\nAssistant:"
"""Of a conversation with a video; the template in a model's folder is for pictures."""


class SmolVLM(Family):
    """The model reads a video as pictures, after a sentence with their number."""

    title = "SmolVLM"
    placeholder = "<image>"
    before_answer = " "
    vision = ("model.vision_model", "model.connector")

    @property
    def side(self) -> int:
        """Pixels a side, from the settings for videos."""
        size = self.files.video.get("max_image_size") or {}
        return int(size.get("longest_edge") or super().side)

    def grid(self, scaling: FrameScaling) -> Grid:
        """Squares of `scale_factor` patches are one token."""
        side = scaling.width // self.patch // int(self.config.scale_factor)
        return Grid(side, side)

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """Features of the last layer, after its norm."""
        side = pixels.shape[-1] // self.patch
        every = torch.ones(len(pixels), side, side, dtype=torch.bool, device=pixels.device)
        features: Tensor = network.model.vision_model(
            pixel_values=pixels, patch_attention_mask=every
        ).last_hidden_state
        return features

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Patches shuffled into channels, and projected."""
        tokens: Tensor = network.model.connector(features)
        return tokens

    def conversation(self, tokenizer: Any, text: str) -> str:
        """The conversation as transformers' processor writes one with a video."""
        return PROMPT.replace("{text}", text)  # replaced, not formatted: a question may hold braces

    def video_text(self, video: VideoTokens | None) -> str:
        """How many frames of how long a video, and then the frames."""
        if video is None:
            return ""
        length = timedelta(seconds=int(video.duration_s))
        intro = f"You are provided the following series of {in_words(video.frames)} frames from a "
        return f"{intro}{length} [H:MM:SS] video.\n{super().video_text(video)}\n\n"

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """Minutes and seconds, and marks around the frame."""
        minutes, seconds = divmod(int(part.time_s), 60)
        around = "<fake_token_around_image>"
        tokens = super().part_text(part, video)
        return f"\nFrame from {minutes:02d}:{seconds:02d}:{around}<global-img>{tokens}{around}"

    def language_model(self, network: Any) -> Any:
        """The language model, which the network calls `text_model`."""
        return network.model.text_model

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """1 frame a second, at most 64, as the files say."""
        sampling = self.files.image.get("video_sampling") or {}
        return even_frames(
            source, most=int(sampling.get("max_frames", 64)), fps=float(sampling.get("fps", 1))
        )


ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(number: int) -> str:
    """A number below a thousand as the processor spells it: 121 -> one hundred and twenty-one."""
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (f"-{ONES[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{ONES[hundreds]} hundred" + (f" and {in_words(rest)}" if rest else "")
    return str(number)
