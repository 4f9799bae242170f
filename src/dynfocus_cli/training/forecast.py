"""How much memory a training takes, part by part, from a network's sizes alone.

As in `models/memory.py`, multiples of widths count what is alive at once in transformers', peft's and
bitsandbytes' code; `benchmarks/training.py` compares the sums with what steps take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynfocus_cli.models.memory import MemoryModel
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.connector import QFORMER_PATCHES
from dynfocus_cli.network.skeleton import parameter_shapes
from dynfocus_cli.training.parts import PartSize, part_of
from dynfocus_cli.training.planned_example import PlannedExample
from dynfocus_cli.training.settings import Tune

FULL, HALF = 4, 2
"""Bytes a number in float32 and in bfloat16."""
UPDATE = 2
"""Temporary copies of a weight while AdamW takes its step."""
HELD_BACK = 0.05
"""Share of the steady part that glibc keeps on a CPU; measured."""


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """Bytes on the network's device, by what they are for."""

    weights: int
    """Of the whole network, what learns in float32, adapters among it."""
    gradients: int
    optimizer: int
    """Both of AdamW's moments."""
    activations: int
    """What the forward pass keeps for the backward pass, and what both work with."""
    update: int
    """What AdamW works with on the largest weight."""
    held_back: int
    """What the C library keeps of what was used and freed; nothing on a GPU."""

    @property
    def peak(self) -> int:
        """The most at a time: a batch begins without gradients, and activations go as they come, so that the
        greater of the two counts."""
        steady = self.weights + self.optimizer + self.held_back
        return steady + max(self.activations, self.gradients + self.update)


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What the activations of a batch depend on."""

    examples: int
    frames: int
    """T of the longest example."""
    video_tokens: int
    text_tokens: int
    answer_tokens: int
    question_tokens: int
    """That the Q-Former reads."""

    @classmethod
    def largest(cls, examples: Sequence[PlannedExample], before: int, batch: int) -> BatchShape:
        """A batch of the longest examples."""
        return cls(
            batch,
            max(len(one.sampling.times_s) for one in examples),
            max(one.video_tokens for one in examples),
            max(before + len(one.prompt_ids) + len(one.answer_ids) for one in examples),
            max(len(one.answer_ids) for one in examples),
            max(len(one.question_ids) for one in examples),
        )


@dataclass(frozen=True, slots=True)
class TrainingMemoryModel:
    """Predicts `TrainingMemory` for one network, stage, tuning, quantization and precision."""

    config: DynFocusConfig
    memory: MemoryModel
    sizes: Sequence[PartSize]
    tune: Tune
    rank: int
    autocast: bool
    checkpointing: bool

    @property
    def _learning(self) -> Mapping[str, int]:
        return {size.part: size.learning for size in self.sizes}

    @property
    def _size(self) -> int:
        """Bytes of a computed number."""
        return HALF if self.autocast or self.memory.size == HALF else FULL

    def need(self, shape: BatchShape) -> TrainingMemory:
        """What a batch of this shape takes."""
        learning = sum(self._learning.values())
        adapters = 0 if self.tune == "full" else self._learning["language model"]
        # Adapters and an added score network are new; the rest was there and becomes float32.
        weights = self.memory.weights + FULL * adapters
        weights += (learning - adapters) * (FULL - self.memory.size)
        update = UPDATE * FULL * self._largest()
        steady = weights + 3 * FULL * learning + update
        return TrainingMemory(
            weights=weights,
            gradients=FULL * learning,
            optimizer=2 * FULL * learning,
            activations=self._connector(shape) + self._language_model(shape) + self._casts(),
            update=update,
            held_back=int(HELD_BACK * steady) if self.memory.device == "cpu" else 0,
        )

    def _largest(self) -> int:
        """Parameters of the largest weight that learns."""
        sizes = [
            math.prod(shape)
            for name, shape in parameter_shapes(self.config).items()
            if self._learning.get(part_of(name))
            and (part_of(name) != "language model" or self.tune == "full")
        ]
        return max(sizes, default=0)

    def _casts(self) -> int:
        """Autocast's copies of what is kept in float32 and multiplied, until the step ends."""
        if not self.autocast:
            return 0
        shapes = parameter_shapes(self.config)
        looked_up = sum(
            math.prod(shape)
            for name, shape in shapes.items()
            if "embed" in name and self._learning.get(part_of(name)) and "language_model" not in name
        )
        return HALF * max(0, sum(self._learning.values()) - looked_up)

    def _connector(self, shape: BatchShape) -> int:
        """The Q-Former on all frames, kept for the backward pass."""
        config, read = self.config, self.config.qformer_config
        frames = shape.examples * shape.frames
        vision = config.vision_config.hidden_size
        points = config.patches + config.class_token
        data = frames * points * vision * (self.memory.size + FULL)
        if not self._learning.get("connector"):
            return data
        rows = config.num_query_tokens + shape.question_tokens
        width, inner, layers = read.hidden_size, read.intermediate_size, read.num_hidden_layers
        crossing = -(-layers // max(1, read.cross_attention_frequency))
        layer = rows * ((14 * width + 3 * inner) * self._size + 3 * width * FULL)
        cross = points * 2 * width * self._size
        if self.checkpointing:
            # Of each layer its input, and all of the one that is computed anew for the frames of one pass.
            at_once = min(frames, max(1, QFORMER_PATCHES // points))
            kept = frames * layers * rows * width * FULL + 2 * at_once * (layer + cross)
        else:
            kept = frames * (layers * layer + crossing * cross)
        return data + kept + frames * points * vision * (self._size + FULL)

    def _language_model(self, shape: BatchShape) -> int:
        words = self.config.text_config
        width, inner, layers = words.hidden_size, words.intermediate_size, words.num_hidden_layers
        tokens = shape.examples * (shape.video_tokens + shape.text_tokens)
        layer = tokens * ((12 * width + 4 * inner) * self._size + 4 * width * FULL)
        if self.tune != "full":
            layer += tokens * 7 * self.rank * FULL
        kept = layers * tokens * width * self._size + 2 * layer if self.checkpointing else layers * layer
        logits = shape.examples * shape.answer_tokens * words.vocab_size * (self._size + 3 * FULL)
        spread = width * inner * HALF if self.memory.quantization == "nf4" else 0
        return kept + logits + spread
