"""A run that is short of memory: what it does without, what it says, and that the answer is the same.

SUBSTITUTE: memory that runs out is simulated by raising torch's own error from the stage that would meet it,
and little free memory by what `free_memory` says; everything else is the real network.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import dynfocus_cli
from builders import write_noise
from dynfocus_cli import DynFocus, OutOfMemory, RunOptions, SamplingOptions, pipeline
from dynfocus_cli.models import source
from dynfocus_cli.models.dynfocus import model as native
from dynfocus_cli.models.dynfocus.loading import load_weights
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.pipeline import dry_run
from dynfocus_cli.pipeline import run as running

OPTIONS = RunOptions(sampling=SamplingOptions(frames=12), decoding=DecodingOptions(cache=False))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_noise(tmp_path_factory.mktemp("video") / "noise.mp4")


@pytest.fixture
def tiny(saved: Path) -> DynFocus:
    return dynfocus_cli.load(str(saved), device="cpu")


def fail(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, when) -> list[int]:
    """Lets a function fail for want of memory when `when(arguments)` says so; the list counts failures."""
    failures: list[int] = []
    real = getattr(owner, name)

    def short(*arguments, **keywords):
        if when(*arguments, **keywords):
            failures.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*arguments, **keywords)

    monkeypatch.setattr(owner, name, short)
    return failures


def set_free_memory(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """For runs and for dry runs."""
    for module in (running, dry_run):
        monkeypatch.setattr(module, "free_memory", lambda device: free)


def test_smaller_batches_give_the_same_answer(tiny: DynFocus, video: str, monkeypatch) -> None:
    expected = tiny.ask(video, "Why?", OPTIONS)
    failures = fail(monkeypatch, tiny.model.network, "encode_frames", lambda pixels: len(pixels) > 2)
    found = DynFocus(tiny.model).ask(video, "Why?", OPTIONS)  # the one above has the frames in memory
    assert len(failures) == 2  # 12 frames, 3, and then one at a time
    assert found.answer == expected.answer
    assert found.evidence.frames == expected.evidence.frames
    told = [line for line in found.evidence.warnings if line.startswith("Memory ran out")]
    assert told == [
        "Memory ran out (stage: encode): frames are encoded 3 at a time.",
        "Memory ran out (stage: encode): frames are encoded 1 at a time.",
    ]


def test_frames_are_given_up_at_the_end(tiny: DynFocus, video: str, monkeypatch) -> None:
    failures = fail(monkeypatch, native, "generate", lambda network, prompt, tokens, *rest: len(tokens) > 100)
    found = tiny.ask(video, "Why?", OPTIONS)
    assert failures
    assert len(found.evidence.frames) < 12
    assert found.evidence.tokens.video <= 100
    assert "Memory ran out (stage: generate): only 6 frames are sampled." in found.evidence.warnings


def test_with_nothing_left_to_do_without_it_is_said(tiny: DynFocus, video: str, monkeypatch) -> None:
    fail(monkeypatch, native, "generate", lambda *_: True)
    with pytest.raises(OutOfMemory, match=r"Memory ran out \(stage: generate\) with a single frame"):
        tiny.ask(video, "Why?", OPTIONS)


def test_another_error_is_not_taken_for_it(tiny: DynFocus, video: str, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(native, "generate", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        tiny.ask(video, "Why?", OPTIONS)


def test_little_free_memory_is_planned_for(tiny: DynFocus, video: str, monkeypatch) -> None:
    spec = tiny.model.spec
    options = RunOptions(sampling=SamplingOptions(frames=60), decoding=DecodingOptions(cache=False))
    expected = tiny.ask(video, "Why?", options)
    plan = pipeline.forecast(video, "Why?", spec, options)
    assert (plan.batch, plan.warnings) == (32, ())
    assert plan.tokens.video == expected.evidence.tokens.video
    beside = plan.memory.peak - plan.memory.weights
    set_free_memory(monkeypatch, plan.memory.weights + beside * 9 // 10)
    planned = pipeline.forecast(video, "Why?", spec, options)
    assert planned.memory.peak <= plan.memory.weights + beside * 9 // 10
    assert any(line.startswith("Memory is short (") for line in planned.warnings)
    set_free_memory(monkeypatch, beside * 9 // 10)
    found = tiny.ask(video, "Why?", options)
    told = tuple(line for line in found.evidence.warnings if not line.startswith("The answer was cut off"))
    assert told == planned.warnings
    assert len(found.evidence.frames) == len(planned.sampling.times_s)
    assert found.evidence.tokens.video == planned.tokens.video < plan.tokens.video
    set_free_memory(monkeypatch, 1000)
    with pytest.raises(OutOfMemory, match="not enough memory for a single frame"):
        tiny.ask(video, "Why?", options)


def test_weights_that_do_not_fit_are_said_before_they_are_loaded(
    tiny: DynFocus, video: str, monkeypatch
) -> None:
    set_free_memory(monkeypatch, 1000)
    with pytest.raises(OutOfMemory, match=r"The weights of small take 0\.0 GiB"):
        pipeline.forecast(video, "Why?", tiny.model.spec, OPTIONS)
    monkeypatch.setattr(source, "free_memory", lambda device: 1000)
    with pytest.raises(OutOfMemory, match=r"The weights of small take 0\.0 GiB"):
        load_weights(tiny.model.spec)


@pytest.mark.parametrize(
    ("network", "tower", "away"),
    [("cuda", "cuda:0", False), ("cuda:0", "cuda", False), ("cuda", "cpu", True), ("cpu", "cpu", False)],
)
def test_a_vision_encoder_in_its_place_is_counted_once(
    network: str, tower: str, away: bool, monkeypatch
) -> None:
    """What is put on `cuda` is found on `cuda:0`; the plan of a dry run counts all weights, and that of a run
    those that are not there yet."""
    monkeypatch.setattr(running, "free_memory", lambda device: 8 << 30)
    spec = SimpleNamespace(device=torch.device(network), memory=SimpleNamespace(tower=2 << 30))
    model = SimpleNamespace(spec=spec, vision_device=torch.device(tower))
    assert running.free_beside(model) == (6 << 30 if away else 8 << 30)  # type: ignore[arg-type]
