"""The retrieval head: frames and captions in one space, as SigLIP has them (Zhai et al., ICCV 2023).

A frame's vector is made of its patch features, and a caption's of its words, so that their inner product says
how well they fit: sigmoid(scale * product + bias) is a probability. Vectors are not of length 1: a frame that
shows several things fits the caption of each of them as well as a frame that shows it alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.layers import merge_heads, split_heads
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question

FILE_NAME = "retrieval.safetensors"
_SIZES, _WORDS = "sizes", "words"


def caption_ids(prompt: PromptWriter, caption: str, longest: int) -> list[int]:
    """The token ids of a caption, in small letters and without its full stop; at most the last `longest`."""
    return prompt.question(caption.lower().strip(" .!?"), longest)


@dataclass(frozen=True, slots=True)
class RetrievalSizes:
    """Widths of a retrieval head."""

    vision_width: int
    """D_v, of the patch features that it reads."""
    vocabulary: int
    """Words of the tokenizer."""
    hidden: int = 256
    """Width of what is made of a patch first."""
    aspects: tuple[int, int] | list[int] = (9, 23)
    """How many kinds of colour and of shape a patch may be of."""
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    longest: int = 32
    """Tokens of a caption; what is longer is cut."""

    @property
    def width(self) -> int:
        """D, of the vectors that are compared."""
        return self.aspects[0] * self.aspects[1]


class RetrievalHead(nn.Module):
    """Vectors of frames and of captions, and how they are compared."""

    scale: Tensor
    bias: Tensor
    threshold: Tensor

    def __init__(self, sizes: RetrievalSizes, words: Sequence[str] = ()) -> None:
        super().__init__()
        self.sizes, self.words = sizes, frozenset(words)
        self.frame = FrameEncoder(sizes)
        self.text = TextEncoder(sizes)
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("bias", torch.tensor(0.0))
        self.register_buffer("threshold", torch.tensor(0.5))

    def probabilities(self, frames: Tensor, caption: Tensor) -> Tensor:
        """How likely it is that each frame shows what the caption says.

        Shape:
            frames: (T, D). caption: (D,). returns: (T,) float32, 0 to 1.
        """
        return torch.sigmoid(self.scale * (frames.float() @ caption.float()) + self.bias)

    def unknown_words(self, caption: str) -> tuple[str, ...]:
        """Words of a caption that training never had, in their order; none where it is not known."""
        said = dict.fromkeys(re.findall(r"\w+", caption.lower()))
        return tuple(word for word in said if self.words and word not in self.words)

    def save(self, folder: Path) -> None:
        """Writes `retrieval.safetensors` into `folder`: weights in float16, measurements in float32."""
        tensors = {
            name: each.contiguous().to(torch.float16 if each.ndim else torch.float32)
            for name, each in self.state_dict().items()
        }
        described = {_SIZES: json.dumps(asdict(self.sizes)), _WORDS: json.dumps(sorted(self.words))}
        save_file(tensors, folder / FILE_NAME, metadata=described)
        (folder / FILE_NAME).chmod(0o644)  # safetensors writes for the owner's eyes alone

    @classmethod
    def load(cls, folder: Path) -> RetrievalHead | None:
        """Reads `retrieval.safetensors` from `folder`, in float32; None where there is none.

        Raises:
            ModelUnavailable: the file is damaged.
        """
        path = folder / FILE_NAME
        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                described: dict[str, Any] = {k: json.loads(v) for k, v in (file.metadata() or {}).items()}
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            head = cls(RetrievalSizes(**described[_SIZES]), described[_WORDS])
            head.load_state_dict(tensors)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelUnavailable(f"{path} cannot be used: {error}") from error
        return head.eval().requires_grad_(False)


class FrameEncoder(nn.Module):
    """Each patch is of one colour and one shape; a frame's vector says which combinations its patches have.

    A product within a patch binds the two to each other: a frame with a red circle and a blue star has no
    patch of a red star. A sum over patches, and not their largest, bears a patch that is misread.
    """

    def __init__(self, sizes: RetrievalSizes) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sizes.vision_width)
        self.hidden = nn.Linear(sizes.vision_width, sizes.hidden)
        self.colors, self.shapes = (nn.Linear(sizes.hidden, count) for count in sizes.aspects)
        # From how many patches on a combination is there, and how soon.
        self.least, self.slope = nn.Parameter(torch.tensor([0.7])), nn.Parameter(torch.tensor([6.0]))

    def aspects(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each patch's colour and shape: (T, N, D_v) -> (T, N, colours), (T, N, shapes)."""
        hidden = F.gelu(self.hidden(self.norm(patches)))
        return self.colors(hidden), self.shapes(hidden)

    def counts(self, patches: Tensor) -> Tensor:
        """In how many patches each colour and shape come together: (T, N, D_v) -> (T, D)."""
        shares = (logits.float().softmax(dim=-1) for logits in self.aspects(patches))
        return torch.einsum("tnc,tns->tcs", *shares).flatten(1)

    def vectors(self, counts: Tensor) -> Tensor:
        """Such counts -> (T, D), 0 to 1."""
        return torch.sigmoid(self.slope * (counts - self.least))

    def forward(self, patches: Tensor) -> Tensor:
        """(T, N, D_v) -> (T, D)."""
        return self.vectors(self.counts(patches))


class TextEncoder(nn.Module):
    """A caption's words, which look at each other; the vector is their mean."""

    def __init__(self, sizes: RetrievalSizes) -> None:
        super().__init__()
        self.words = nn.Embedding(sizes.vocabulary, sizes.text_width)
        self.positions = nn.Embedding(sizes.longest, sizes.text_width)
        for embedding in (self.words, self.positions):
            nn.init.normal_(embedding.weight, std=0.5)
        self.layers = nn.ModuleList(TextLayer(sizes) for _ in range(sizes.text_layers))
        self.norm = nn.LayerNorm(sizes.text_width)
        self.out = nn.Linear(sizes.text_width, sizes.width)

    def forward(self, captions: Question) -> Tensor:
        """Token ids (B, S) with their mask -> (B, D)."""
        ids, mask = captions.ids, captions.mask
        x = self.words(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))  # (B, S, W)
        for layer in self.layers:
            x = layer(x, mask.bool())
        weight = mask.unsqueeze(-1).to(x.dtype)
        mean = (self.norm(x) * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        vectors: Tensor = self.out(mean)
        return vectors


class TextLayer(nn.Module):
    """Attention and an MLP, each behind a norm and added to what came in."""

    def __init__(self, sizes: RetrievalSizes) -> None:
        super().__init__()
        width = sizes.text_width
        self._head_width = width // sizes.text_heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, S, W) with its mask (B, S) -> the same."""
        parts = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        query, key, value = (split_heads(part, self._head_width) for part in parts)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        x = x + self.projection(merge_heads(attended))
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return x
