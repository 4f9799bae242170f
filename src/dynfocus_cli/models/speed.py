"""How long a run would take: layers of the model's own sizes are timed where it would run.

Counting operations says how many such layers there are; timing one says what the machine makes of them, in
the precision and quantization that would run. Overheads are not counted: a small model takes longer.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dynfocus_cli.models.memory import RunShape
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.quantization import quieten
from dynfocus_cli.types import Quantization, TimeForecast

ROUNDS = 3
"""A layer is timed this often, and the median counts."""
MOST_ROWS = 1024
"""Rows that a layer is timed with at most; more take in proportion."""
MOST_WEIGHTS = 1 << 23
"""A layer is timed with as many of its outputs as make so many weights; a whole one at 7B takes a CPU seconds
to quantize."""


def time_layers(
    config: DynFocusConfig,
    quantization: Quantization,
    device: torch.device,
    dtype: torch.dtype,
    shape: RunShape,
    answer_tokens: int,
) -> TimeForecast:
    """Seconds that each stage would take; decoding, which depends on the file, is left out."""
    vision, words, read = config.vision_config, config.text_config, config.qformer_config
    timed = _Timer(device, dtype)
    # Each part's work as so many layers of its own widest kind.
    rows = (config.patches + 1) * shape.batch
    per_batch = timed(vision.hidden_size, vision.intermediate_size, rows, "none")
    tower = (
        vision.num_hidden_layers
        * (4 * vision.hidden_size**2 / _area(vision) + 2)
        * (1 + _attention_share(vision, config.patches))
    )
    queries = config.num_query_tokens * shape.frames
    reading = timed(read.hidden_size, read.intermediate_size, min(queries, MOST_ROWS), "none")
    qformer = read.num_hidden_layers * (8 * read.hidden_size**2 / _area(read) + 2)
    first_token, each_token = _words(timed, words, quantization, shape, answer_tokens)
    return TimeForecast(
        encode=per_batch * tower * math.ceil(shape.frames / shape.batch),
        select=reading * max(1.0, queries / MOST_ROWS) * qformer,
        first_token=first_token,
        each_token=each_token,
    )


def time_stock(
    vision: Any,
    patches: int,
    words: Any,
    quantization: Quantization,
    device: torch.device,
    dtype: torch.dtype,
    shape: RunShape,
    answer_tokens: int,
) -> TimeForecast:
    """The same for a stock model; choosing its frames takes no time beside these.

    Args:
        vision, words: the configs of its encoder and of its language model.
        patches: that go through the vision encoder, of all frames and in all passes.
    """
    timed = _Timer(device, dtype)
    inner = getattr(vision, "intermediate_size", 4 * vision.hidden_size)
    depth = getattr(vision, "depth", None) or vision.num_hidden_layers
    rows = min(patches, MOST_ROWS)
    layers = depth * (4 * vision.hidden_size / inner + 2)
    first_token, each_token = _words(timed, words, quantization, shape, answer_tokens)
    return TimeForecast(
        encode=timed(vision.hidden_size, inner, rows, "none") * patches / rows * layers,
        select=0.0,
        first_token=first_token,
        each_token=each_token,
    )


def _words(
    timed: _Timer, words: Any, quantization: Quantization, shape: RunShape, answer_tokens: int
) -> tuple[float, float]:
    """Seconds of the language model until the first token, and for each further one."""
    prompt = shape.video_tokens + shape.text_tokens - answer_tokens
    layers = words.num_hidden_layers * (4 * words.hidden_size**2 / _area(words) + 3)
    sized = words.hidden_size, words.intermediate_size
    rows = min(prompt, MOST_ROWS)
    first = timed(*sized, rows, quantization) * prompt / rows * layers
    return first, timed(*sized, 1, quantization) * layers


def _area(part: Any) -> int:
    return int(part.hidden_size * part.intermediate_size)


def _attention_share(vision: Any, patches: int) -> float:
    """The share that attention's matrix products add to a layer's time."""
    weights = 4 * vision.hidden_size**2 + 2 * _area(vision)
    return 2 * (patches + 1) * vision.hidden_size / weights


class _Timer:
    """Seconds of one linear layer."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype
        self._layers: dict[tuple[int, int, Quantization], nn.Module] = {}
        """Quantizing one takes longer than all that it then multiplies."""

    def __call__(self, width: int, out: int, rows: int, quantization: Quantization) -> float:
        part = min(out, max(1, MOST_WEIGHTS // width))
        key = (width, part, quantization)
        layer = self._layers.get(key) or self._layers.setdefault(key, self._layer(*key))
        inputs = _numbers(rows, width).to(self._device, self._dtype)
        with torch.inference_mode():
            layer(inputs)  # the first call allocates, and int8 arranges its weights
            return statistics.median(self._once(layer, inputs) for _ in range(ROUNDS)) * out / part

    def _once(self, layer: Callable[[Tensor], Tensor], inputs: Tensor) -> float:
        self._wait()
        began = time.perf_counter()
        layer(inputs)
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _layer(self, width: int, out: int, quantization: Quantization) -> nn.Module:
        if quantization == "none":
            return nn.Linear(width, out, bias=False, device=self._device, dtype=self._dtype)
        quieten()
        from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

        weight = _numbers(out, width) * 0.02
        if quantization == "int8":
            eight = Linear8bitLt(width, out, bias=False, has_fp16_weights=False)
            eight.load_state_dict({"weight": weight.half()})
            return eight.to(self._device)
        four = Linear4bit(width, out, bias=False, compute_dtype=self._dtype, quant_type="nf4")
        four.load_state_dict({"weight": weight.to(self._dtype)})
        return four.to(self._device)


def _numbers(rows: int, columns: int) -> Tensor:
    """(rows, columns) float32 like a network's; a row is drawn and repeated, since drawing takes its time."""
    row = torch.randn(columns, generator=torch.Generator().manual_seed(0))
    return row.repeat(rows, 1)
