"""A DynFocus network with small numbers and random weights, whole enough to be saved and loaded."""

from __future__ import annotations

import functools
from fractions import Fraction
from pathlib import Path
from unittest import mock

import av
import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question
from dynfocus_tiny import tokenizer as tiny_tokenizer
from dynfocus_tiny.config import tiny_config

IMAGE_SIZE = 32
VISION_WIDTH = 16
NOISE_S = 30


@functools.cache
def small_tokenizer() -> PreTrainedTokenizerFast:
    """The miniature's own recipe on a fiftieth of its corpus."""
    with mock.patch.object(tiny_tokenizer, "CORPUS_CLIPS", 30):
        return tiny_tokenizer.train_tokenizer(7)


def small_config(**changes: object) -> DynFocusConfig:
    """The miniature's settings at the least sizes; `changes` replace fields."""
    fields = tiny_config(small_tokenizer()).to_dict()
    fields["vision_config"] |= {
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": IMAGE_SIZE,
        "patch_size": 4,
    }
    fields["qformer_config"] |= {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
    fields["text_config"] |= {
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 12,
    }
    return DynFocusConfig(**(fields | {"score_hidden_size": 16} | changes))


def small_model(seed: int = 0, **changes: object) -> DynFocusModel:
    """Random weights, also where a fresh network has zeros: the question in the score, the focus mark."""
    torch.manual_seed(seed)
    model = DynFocusModel(small_config(**changes)).eval()
    film = model.connector.score_network.question_film
    if film is not None:
        torch.nn.init.normal_(film.weight)
    if model.connector.focus_mark is not None:
        torch.nn.init.normal_(model.connector.focus_mark)
    return model


def small_prompt(config: DynFocusConfig) -> PromptWriter:
    return PromptWriter(config, small_tokenizer())


def save_small(folder: Path, **changes: object) -> DynFocusModel:
    """Writes a whole model folder, and returns what is in it."""
    model = small_model(**changes)
    model.save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    Preprocessing(size=IMAGE_SIZE, fit="squash").save(folder)
    return model


def some_pixels(frames: int, seed: int = 0) -> Tensor:
    """(T, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, 3, IMAGE_SIZE, IMAGE_SIZE, generator=generator)


def some_patches(frames: int, seed: int = 0) -> Tensor:
    """(T, N, D_v)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, (IMAGE_SIZE // 4) ** 2, VISION_WIDTH, generator=generator)


def asked(prompt: PromptWriter, *questions: str) -> Question:
    """A batch of questions of any lengths, padded on the right."""
    return Question.padded([prompt.question(question, 96) for question in questions])


def write_noise(path: Path, still_s: int = 0) -> str:
    """`NOISE_S` seconds of random blocks, 2 frames a second; the first frame stays for `still_s` seconds."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(2 * NOISE_S):
            if 0 < number < 2 * still_s:
                continue
            blocks = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(blocks.repeat(8, 0).repeat(8, 1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 2)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)
