"""What DynFocus needs to know of a family of models: how frames become tokens, what stands around them in the
prompt, how the model is told times, and which frames its makers' code samples.

`Family` has the defaults, which are those of LLaVA's models; a file in `models/families/` has what differs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from dynfocus_cli.features.preprocess import Fit
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.models.vlm.scaling import HALF, Colour, FrameScaling, ProcessorFiles
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import VideoSource


class Family(ABC):
    """Square frames of the vision encoder's size, one layer's features projected, positions counted."""

    by_model_type: ClassVar[dict[str, type[Family]]] = {}
    """The families whose files were imported, by those files' names."""

    title: ClassVar[str]
    """What people call it: a plain string on one line, which `checkpoints/families.py` reads as text."""
    placeholder: ClassVar[str] = "<video>"
    """The word that stands for each video token in the prompt."""
    mark: ClassVar[str] = "<video>"
    """What the chat template writes for a video; the text of all parts takes its place."""
    before_answer: ClassVar[str] = ""
    """What an answer begins with where the template ends right before it."""
    fit: ClassVar[Fit] = "squash"
    """How a picture of another shape becomes a square."""
    colours: ClassVar[tuple[Colour, Colour]] = (HALF, HALF)
    """Mean and deviation a channel, where the model's files do not state them."""
    stock_frames: ClassVar[int] = 8
    """Frames that the makers' own code samples, evenly spaced."""
    together: ClassVar[int] = 1
    """Frames that the makers' own way encodes as one."""
    has_3d_positions: ClassVar[bool] = False
    """Whether a position is a time, a row and a column (M-RoPE)."""
    vision: ClassVar[tuple[str, ...]] = ("model.vision_tower", "model.multi_modal_projector")
    """Modules between pixels and tokens: they are not quantized, and may be out of the way."""

    def __init_subclass__(cls) -> None:
        cls.by_model_type[cls.__module__.rpartition(".")[2]] = cls

    def __init__(self, config: Any, files: ProcessorFiles) -> None:
        """
        Args:
            config: transformers' own of the model.
            files: its preprocessing settings.
        """
        self.config = config
        self.files = files

    # How frames become tokens.

    def scaling(self, source: VideoSource, frames: int) -> FrameScaling:
        """How a frame that keeps all its tokens is scaled; `frames` says how many there are."""
        return self.scaled(self.side, self.side)

    def scaled(self, width: int, height: int) -> FrameScaling:
        """Scaling to a size in pixels, with the colours that the model's files state."""
        return FrameScaling(width, height, self.fit, *self.files.colours(*self.colours))

    @property
    def side(self) -> int:
        """Pixels a side of a square frame."""
        return int(self.vision_config().image_size)

    @property
    def patch(self) -> int:
        """Pixels a side of a patch."""
        return int(self.vision_config().patch_size)

    def preview(self, source: VideoSource) -> FrameScaling | None:
        """The lower resolution at which all frames are encoded before key frames are chosen; None: all are
        encoded once, as `scaling` says."""
        return None

    @abstractmethod
    def grid(self, scaling: FrameScaling) -> Grid:
        """The tokens of a frame of that size."""

    def features(self, network: Any, pixels: Tensor, together: int) -> Tensor:
        """The vision encoder's features: of the layers that the config names, all of them.

        Shape:
            pixels: (B, 3, H, W).
            returns: (B, N, D), or with `together` above 1 (B / together, N, D).
        """
        return hidden_state(network.model.vision_tower, pixels, self.config.vision_feature_layer)

    def project(self, network: Any, features: Tensor) -> Tensor:
        """Features (B, N, D) as tokens (B, n, W) in the language model's space."""
        tokens: Tensor = network.model.multi_modal_projector(features)
        return tokens

    def compared(self, features: Tensor) -> Tensor:
        """The features (T, N, D) by which frames are told apart: of a square grid, without a class token."""
        return features

    def patches(self, scaling: FrameScaling) -> int:
        """Patches of a frame of that size, before any are merged."""
        return (scaling.width // self.patch) * (scaling.height // self.patch)

    def kept(self, scaling: FrameScaling) -> int:
        """How many numbers the features of a frame are."""
        return self.patches(scaling) * int(self.vision_config().hidden_size)

    # What stands in the prompt.

    def conversation(self, tokenizer: Any, text: str) -> str:
        """The prompt for one question about one video, by the model's own chat template, with one `mark`."""
        content = [{"type": "video"}, {"type": "text", "text": text}]
        rendered: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        return rendered

    def video_text(self, video: VideoTokens | None) -> str:
        """The text that takes the place of `mark`; without a video it is empty."""
        if video is None:
            return ""
        return "".join(self.part_text(part, video) for part in video.parts)

    def part_text(self, part: Part, video: VideoTokens) -> str:
        """A part's placeholders and what stands around them."""
        return self.placeholder * part.tokens

    # How the language model reads it.

    def language_model(self, network: Any) -> Any:
        """The part of the network that reads embeddings and gives hidden states."""
        return network.model.language_model

    def positions(self, network: Any, ids: Tensor, is_video: Tensor, video: VideoTokens) -> Tensor | None:
        """Positions (3, S) of all tokens; None: they are counted.

        Shape:
            ids: (S,) int64.
            is_video: (S,) bool, where `ids` has placeholders.
        """
        return None

    def embedded(self, embeddings: Tensor) -> Tensor:
        """The part (M, D_l) of the tokens (M, W) that enters the language model as words do."""
        return embeddings

    def beside(self, embeddings: Tensor, is_video: Tensor) -> dict[str, Any]:
        """More arguments of the language model, made of the tokens (M, W)."""
        return {}

    def closing(self, network: Any) -> Tensor | None:
        """Embeddings (c, D_l) behind the video's, at placeholders of their own; None: there are none."""
        return None

    # What its makers do.

    def stock_sampling(self, source: VideoSource) -> SamplingOptions:
        """The frames that the makers' own code samples."""
        return even_frames(source, most=self.stock_frames)

    @property
    def pixels_a_patch(self) -> int:
        """Numbers that the vision encoder reads of a patch."""
        return 3 * self.together * self.patch**2

    @property
    def ends(self) -> Sequence[int]:
        """End marks beside the tokenizer's, by the text config."""
        marks = getattr(self.config.get_text_config(), "eos_token_id", None)
        return [] if marks is None else [marks] if isinstance(marks, int) else list(marks)

    def vision_config(self) -> Any:
        """transformers' own of the vision encoder."""
        return self.config.vision_config


def square_grid(features: Tensor) -> Tensor:
    """(B, N, D) with N a square as (B, D, side, side)."""
    side = round(features.shape[1] ** 0.5)
    return features.transpose(1, 2).unflatten(2, (side, side))


def hidden_state(tower: Any, pixels: Tensor, layer: int | Sequence[int]) -> Tensor:
    """A layer's hidden states (B, N, D), counted as transformers counts: -1 the last layer's, -2 the one
    before. Of several layers side by side."""
    states = tower(pixels, output_hidden_states=True).hidden_states
    layers = [layer] if isinstance(layer, int) else layer
    return torch.cat([states[each] for each in layers], dim=-1)


def even_frames(
    source: VideoSource, most: int, *, least: int = 1, fps: float | None = None, multiple: int = 1
) -> SamplingOptions:
    """`most` frames, evenly spaced; with `fps` as many as that gives, `least` to `most`, a multiple of
    `multiple`."""
    count = most if fps is None else max(least, min(most, int(source.duration_s * fps)))
    return SamplingOptions(frames=max(multiple, count - count % multiple))
