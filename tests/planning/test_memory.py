"""Memory plans: what they count exactly, in which order they give way, and that they fit."""

from __future__ import annotations

import functools
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.errors import OutOfMemory
from dynfocus_cli.models.dynfocus.memory import DynFocusMemory
from dynfocus_cli.models.memory import RunShape
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.planning.memory_plan import MemoryPlan, find_room, next_fallback, plan_memory
from dynfocus_cli.quantization import quantized

CPU, GPU = torch.device("cpu"), torch.device("cuda")

SEVEN_B = DynFocusConfig(
    text_config={"vocab_size": 32000, "max_position_embeddings": 4096},
    qformer_config={"vocab_size": 30523},
    rod_projectors="split",
    rod_source="patches",
    score_network=False,
    scorer="attention",
    class_token=True,
)
PRICE = FramePrice(40, 2)
HOUR = RunShape(frames=200, video_tokens=40 * 32 + 2 * 168, text_tokens=250)


def small_config() -> DynFocusConfig:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    return DynFocusConfig(
        vision_config=sizes | {"image_size": 32, "patch_size": 4},
        qformer_config=sizes | {"vocab_size": 50},
        text_config=sizes | {"vocab_size": 90},
    )


@pytest.mark.parametrize("size", [2, 4])
def test_weights_are_counted_to_the_byte(size: int) -> None:
    network = DynFocusModel(small_config())
    parameters = list(network.parameters())
    memory = DynFocusMemory(small_config(), "none", torch.float16 if size == 2 else torch.float32, CPU)
    assert memory.weights == size * sum(map(torch.numel, parameters))
    assert memory.tower == size * sum(map(torch.numel, network.vision.parameters()))


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_quantized_weights_are_counted_as_they_are_stored(kind: str) -> None:
    network = DynFocusModel(small_config())
    total = 0
    for name, tensor in network.state_dict().items():
        linear = ".layers." in name and tensor.dim() == 2
        if name.startswith("language_model.") and linear:
            total += sum(part.nbytes for part in quantized(name, tensor, kind, torch.float32).values())
        else:
            total += tensor.nbytes
    assert DynFocusMemory(small_config(), kind, torch.float32, CPU).weights == pytest.approx(total, rel=0.02)


def test_a_7b_network_in_nf4_answers_on_an_hour_within_8_gb_of_gpu_memory() -> None:
    memory = nf4(GPU)
    assert memory.need(HOUR).peak < 8e9
    assert DynFocusMemory(SEVEN_B, "none", torch.bfloat16, GPU).need(HOUR).peak > 15e9


@functools.cache
def nf4(device: torch.device) -> DynFocusMemory:
    """Made once: a network without weights is built for it."""
    return DynFocusMemory(SEVEN_B, "nf4", torch.bfloat16, device)


shapes = st.builds(
    RunShape,
    frames=st.integers(1, 400),
    video_tokens=st.integers(900, 4000),
    text_tokens=st.integers(1, 1000),
    batch=st.sampled_from([1, 2, 4, 8, 16, 32]),
)
devices = st.sampled_from([CPU, GPU])


@pytest.mark.slow
@given(shape=shapes, device=devices, more=st.integers(1, 50))
def test_more_of_anything_takes_no_less(shape: RunShape, device: torch.device, more: int) -> None:
    memory = nf4(device)
    least = memory.need(shape)
    for field in ("frames", "video_tokens", "text_tokens", "batch"):
        larger = memory.need(replace(shape, **{field: getattr(shape, field) + more}))
        assert larger.encode >= least.encode
        assert larger.select >= least.select
        assert larger.answer >= least.answer


@given(shape=shapes, device=devices, free=st.integers(0, 4_000_000_000))
def test_what_is_planned_fits(shape: RunShape, device: torch.device, free: int) -> None:
    memory = nf4(device)
    one = memory.need(replace(shape, frames=1, video_tokens=40, batch=1), tower_away=device is GPU)
    if one.beside > int(0.95 * free):
        with pytest.raises(OutOfMemory, match="are needed beside the weights"):
            plan_memory(memory, shape, free, PRICE)
        return
    memory_plan = plan_memory(memory, shape, free, PRICE)
    tokens = shape.video_tokens if memory_plan.most_tokens is None else memory_plan.most_tokens
    planned = replace(shape, frames=memory_plan.most_frames, video_tokens=tokens, batch=memory_plan.batch)
    assert memory.need(planned, tower_away=memory_plan.tower == "swapped").beside <= free
    changed = (memory_plan.batch, memory_plan.most_frames, memory_plan.most_tokens, memory_plan.tower)
    assert bool(memory_plan.warnings) == (changed != (shape.batch, shape.frames, None, "resident"))


def test_time_is_given_up_before_frames() -> None:
    """Ever less memory: a smaller batch, then the vision encoder makes way, then fewer tokens and frames."""
    memory = nf4(GPU)
    whole = memory.need(HOUR).beside
    plans = []
    for percent in range(110, 0, -1):
        try:
            plans.append(plan_memory(memory, HOUR, whole * percent // 100, PRICE))
        except OutOfMemory:
            break
    first = {
        "batch": next(n for n, plan in enumerate(plans) if plan.batch < HOUR.batch),
        "tower": next(n for n, plan in enumerate(plans) if plan.tower == "swapped"),
        "tokens": next((n for n, plan in enumerate(plans) if plan.most_tokens is not None), len(plans)),
    }
    assert plans[0].warnings == ()
    assert first["batch"] < first["tokens"]
    assert first["tower"] <= first["tokens"]
    for before, after in pairwise(plans):
        assert after.most_frames <= before.most_frames


def test_on_a_cpu_the_vision_encoder_has_nowhere_to_go() -> None:
    memory = nf4(CPU)
    assert find_room(memory, HOUR, 10**12, PRICE, tower_away=True) is None
    assert next_fallback(MemoryPlan(1, 8), "encode", "cpu").most_frames == 4


def test_what_is_done_without_after_memory_ran_out() -> None:
    memory_plan: MemoryPlan | None = MemoryPlan(batch=32, most_frames=5)
    steps = []
    for stage in ("encode", "encode", "encode", "encode", "generate", "generate", "select", "select"):
        memory_plan = next_fallback(memory_plan, stage, "cuda") if memory_plan else None
        if memory_plan:
            steps.append((memory_plan.batch, memory_plan.tower, memory_plan.most_frames))
    assert steps == [
        (8, "resident", 5),
        (2, "resident", 5),
        (1, "resident", 5),
        (1, "offloaded", 5),
        (1, "offloaded", 2),
        (1, "offloaded", 1),
    ]
    assert memory_plan is None
    swapped = next_fallback(MemoryPlan(32, 5), "generate", "cuda")
    assert (swapped.tower, swapped.batch) == ("swapped", 32)
    assert swapped.warnings == (
        "Memory ran out (stage: generate): the vision encoder leaves the GPU while the answer is written.",
    )
