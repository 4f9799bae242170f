"""What a training is said to take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_trainings import prepared

from dynfocus_cli.models.dynfocus.memory import DynFocusMemory
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.training.forecast import BatchShape, TrainingMemory, TrainingMemoryModel
from dynfocus_cli.training.parts import part_sizes

SHAPE = BatchShape(1, 32, 700, 80, 10, 12)


def full_size() -> DynFocusConfig:
    """The paper's 7B."""
    return DynFocusConfig(
        vision_config={
            "hidden_size": 1408,
            "intermediate_size": 6144,
            "num_hidden_layers": 39,
            "num_attention_heads": 16,
        },
        qformer_config={},
        text_config={
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
        },
    )


def need(tune: str, shape: BatchShape = SHAPE, checkpointing: bool = True) -> TrainingMemory:
    config = full_size()
    kind = "nf4" if tune == "qlora" else "none"
    memory = DynFocusMemory(config, kind, torch.bfloat16, torch.device("cuda"))
    sizes = part_sizes(config, "instruct", tune, 16, None)
    return TrainingMemoryModel(config, memory, sizes, tune, 16, True, checkpointing).need(shape)


@pytest.mark.slow
def test_a_step_of_qlora_at_full_size_fits_a_card_of_24_gb() -> None:
    assert need("qlora").peak < 22e9
    assert need("qlora").peak < need("lora").peak < need("full").peak
    assert need("full").peak > 100e9


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"frames": 64}, {"video_tokens": 1400}, {"examples": 2}, {"answer_tokens": 500}]
)
def test_more_takes_more(changes: dict[str, int]) -> None:
    assert need("qlora", replace(SHAPE, **changes)).activations > need("qlora").activations


@pytest.mark.slow
def test_computing_twice_takes_less() -> None:
    assert need("qlora", checkpointing=False).activations > 2 * need("qlora").activations


def test_what_is_planned_for_is_the_longest_batch(data: Path, tmp_path: Path) -> None:
    ready = prepared(data, tmp_path / "out", batch=3)
    shape = BatchShape.largest(ready.train, 2, 3)
    assert (shape.examples, shape.frames, shape.video_tokens) == (3, 4, 4 * 2 + 38)
    assert shape.text_tokens == 2 + max(len(one.prompt_ids) + len(one.answer_ids) for one in ready.train)
    assert ready.memory.peak >= ready.memory.weights + ready.memory.optimizer + ready.memory.gradients
