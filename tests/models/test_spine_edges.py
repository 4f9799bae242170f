"""Public models where frames, tokens or times are few, odd or many."""

from __future__ import annotations

import copy
import io
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import miniatures
import numpy as np
import pytest
import torch
from rich.console import Console

import dynfocus_cli
from dynfocus_cli import (
    DynFocus,
    GenerationOptions,
    OutOfMemory,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
    pipeline,
)
from dynfocus_cli.models.memory import RunShape
from dynfocus_cli.models.protocol import ScoredQuestion
from dynfocus_cli.models.vlm import decoding
from dynfocus_cli.models.vlm.frames import Grid, Part, VideoTokens
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.pipeline import dry_run
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import Request
from dynfocus_cli.report import terminal
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import Mentions

pytestmark = pytest.mark.slow

FAMILIES = list(miniatures.FAMILIES)
PAIRED = [family for family in FAMILIES if miniatures.FAMILIES[family].together == 2]
DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
QUESTION = "What is shown?"
PLENTY = 1 << 40
"""Bytes."""


@pytest.fixture(scope="session")
def models(model_folders: dict[str, Path]) -> dict[str, DynFocus]:
    return {family: dynfocus_cli.load(str(folder), device="cpu") for family, folder in model_folders.items()}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Positions that the language model read, and how many of them were the video's."""
    seen: list[tuple[int, int]] = []
    original = decoding.read_hidden

    def spied(model, ids, is_video, video, cache):
        seen.append((len(ids), len(video.embeddings)))
        return original(model, ids, is_video, video, cache)

    monkeypatch.setattr(decoding, "read_hidden", spied)
    return seen


def options(sampling: dict[str, Any] | None = None, **selection: Any) -> RunOptions:
    return RunOptions(
        SamplingOptions(**sampling or {}),
        SelectionOptions(**selection),
        GenerationOptions(max_new_tokens=2),
        DecodingOptions(cache=False),
    )


def clip(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Frames of flat colours, ten a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), number * 31 % 255, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("family", PAIRED)
@pytest.mark.parametrize(
    ("frames", "sampling", "looked_at"),
    [
        (1, {}, 1),
        (3, {}, 3),
        (30, {"frames": 7}, 7),
        (30, {"max_frames": 1}, 1),
        (30, {"fps": 1.0}, 3),
        (50, {"start_s": 1.0, "end_s": 3.0}, 4),
    ],
)
def test_what_is_paired_may_be_odd(
    models: dict[str, DynFocus],
    read: list[Any],
    tmp_path: Path,
    family: str,
    frames: int,
    sampling: dict[str, Any],
    looked_at: int,
) -> None:
    video = clip(tmp_path / "a.mp4", frames)
    found = models[family].ask(str(video), QUESTION, options(sampling, stock=True)).evidence
    assert len(found.frames) == looked_at
    bill = found.tokens
    assert (
        bill.video == sum(frame.tokens for frame in found.frames) == -(-looked_at // 2) * bill.per_key_frame
    )
    assert read == [(bill.video + bill.prompt, bill.video)]


@pytest.mark.parametrize("family", FAMILIES)
def test_key_frames_of_one_token(models: dict[str, DynFocus], read: list[Any], family: str) -> None:
    """Then no other frame is given more than one."""
    asked = options({"frames": 12}, prototypes=6, cone_tokens=1, rods=True)
    found = models[family].ask(str(DEMO), QUESTION, asked).evidence
    assert {frame.tokens for frame in found.frames} == {1}
    assert read == [(12 + found.tokens.prompt, 12)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "wanted",
    [{"prototypes": 8, "rods": True}, {"prototypes": 8}, {"frames": 1}, {"frames": 21, "stock": True}],
    ids=lambda wanted: " ".join(map(str, wanted)),
)
def test_a_plan_leaves_room_for_all_text(
    models: dict[str, DynFocus], family: str, wanted: dict[str, Any]
) -> None:
    """The stamps around frames are counted before anything is seen, and never as fewer than they are."""
    selection = dict(wanted)
    asked = options({"frames": selection.pop("frames", 24)}, **selection)
    model = models[family]
    plan = pipeline.forecast(str(DEMO), QUESTION, model.model.spec, asked).tokens
    bill = model.ask(str(DEMO), QUESTION, asked).evidence.tokens
    assert plan.generated == 2
    assert plan.video == bill.video
    assert bill.prompt <= plan.prompt <= 1.8 * bill.prompt
    assert model.inspect(str(DEMO), QUESTION, asked).tokens.prompt == plan.prompt


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("wanted", [{"rods": True}, {}, {"cone_tokens": 1}, {"stock": True}], ids=str)
def test_a_small_context_is_filled_and_never_exceeded(
    models: dict[str, DynFocus],
    read: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    wanted: dict[str, Any],
) -> None:
    model = models[family]
    text_config = model.model.spec.family.config.get_text_config()
    for context in (200, 400):
        monkeypatch.setattr(text_config, "max_position_embeddings", context)
        bill = model.ask(str(DEMO), QUESTION, options(**wanted)).evidence.tokens
        assert bill.context == context
        assert read.pop()[0] + 2 <= context


@pytest.mark.parametrize("family", FAMILIES)
def test_stamps_of_long_videos_have_room(models: dict[str, DynFocus], family: str) -> None:
    prompt = models[family].model.spec.prompt
    late = [9 * 3600 + 60.0 * number for number in range(40)]
    tokens = torch.zeros(80, 1)
    parts = [
        Part(140 + number, 2, (time_s, time_s), time_s + 1, (0.0, 0.0), (0.0, 0.0), is_run=number % 2 == 0)
        for number, time_s in enumerate(late)
    ]
    ids, is_video = prompt.ids(QUESTION, (), VideoTokens(tuple(parts), Grid(1, 1), tokens, 35_999.0, 177))
    text = len(ids) - int(is_video.sum())
    assert text <= prompt.length(QUESTION) + prompt.timestamp_tokens * len(parts)


def source(duration_s: float) -> VideoSource:
    return VideoSource("a.mp4", duration_s, 1280, 720, 30.0, "h264", 0, False, 0, 0.0)


def test_the_makers_own_way_is_not_held_to_our_limits(models: dict[str, DynFocus]) -> None:
    """10 minutes at 2 frames a second are 1200, of which its makers take 768; these share the pixels."""
    spec, asked = models["qwen3_vl"].model.spec, options(stock=True)
    family = copy.copy(spec.family)
    family.config, family.files = copy.deepcopy(family.config), copy.copy(family.files)
    family.files.video = {"size": {"shortest_edge": 4096, "longest_edge": 25_165_824}}
    request = Request(ScoredQuestion(QUESTION, "density"), source(600.0), Mentions(), None, 30, ())
    for context, frames in ((20_000, 768), (10_000, None)):
        family.config.text_config.max_position_embeddings = context
        plan = plan_run(request, replace(spec, family=family), asked, PLENTY)
        looked_at, price = len(plan.sampling.times_s), plan.allowance.price
        assert plan.shape.video_tokens == price.total(looked_at, looked_at)
        assert price.spent(looked_at, looked_at) <= context - 30 - 2
        assert looked_at == frames or plan.sampling.warnings[0].startswith("`stock` asks for 768 frames")


def test_a_part_of_a_video_is_sampled_as_a_video(models: dict[str, DynFocus]) -> None:
    for family, expected in (("qwen3_vl", 20), ("smolvlm", 10), ("internvl", 8)):
        spec = models[family].model.spec
        asked = options({"start_s": 50.0, "end_s": 60.0}, stock=True)
        sampling = spec.sampling(source(600.0), asked)
        assert (sampling.frames, sampling.start_s, sampling.end_s) == (expected, 50.0, 60.0)


def test_what_the_makers_would_spend_is_no_more_than_the_video_has(
    models: dict[str, DynFocus], tmp_path: Path
) -> None:
    video = clip(tmp_path / "a.mp4", 3)
    for family in FAMILIES:
        found = models[family].inspect(str(video), None, options(stock=True)).tokens
        assert found.stock == found.video


@pytest.mark.parametrize("family", PAIRED)
def test_what_a_pair_costs_is_said_once(models: dict[str, DynFocus], tmp_path: Path, family: str) -> None:
    found = models[family].inspect(str(clip(tmp_path / "a.mp4", 7)), None, options({"frames": 7}, stock=True))
    bill = found.tokens
    assert bill.all_patches == bill.video == 4 * bill.per_key_frame
    shown = io.StringIO()
    terminal.print_selection(Console(file=shown, width=120), found, table=False)
    assert re.search(rf"= {bill.per_key_frame} \S 4 \(pairs of frames\)", shown.getvalue())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_choice_that_begins_as_another_has_a_chance(models: dict[str, DynFocus], family: str) -> None:
    prompt = models[family].model.spec.prompt
    one, ten = prompt.answers(("1", "10"))
    assert one[-1] == ten[-1] == prompt.ends[0]
    assert ten[: len(one)] != one
    apart = prompt.answers(("A", "B"))
    assert all(ids[-1] not in prompt.ends for ids in apart)


def test_a_letter_is_written_as_the_model_would_write_it(models: dict[str, DynFocus]) -> None:
    """SmolVLM's prompt ends in a colon, and its answers begin with a blank."""
    for family in FAMILIES:
        prompt = models[family].model.spec.prompt
        whole = prompt.tokenizer.decode(prompt.answers(("A", "B"))[0])
        assert whole == miniatures.FAMILIES[family].before_answer + "A"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stock", [False, True])
def test_short_memory_does_as_it_says(
    models: dict[str, DynFocus], monkeypatch: pytest.MonkeyPatch, family: str, stock: bool
) -> None:
    """From plenty down to where nothing fits: fewer tokens and frames, never more than is said."""
    spec, asked = models[family].model.spec, options({"frames": 40}, stock=stock)
    free, shown = 1 << 30, list[int]()
    while True:
        monkeypatch.setattr(dry_run, "free_memory", lambda device, free=free: free)
        try:
            plan = pipeline.forecast(str(DEMO), QUESTION, spec, asked)
        except OutOfMemory:
            break
        said = " ".join(plan.warnings)
        told = {
            what: int(number) for number, what in re.findall(r"(\d+) (frames are sampled|tokens)\.", said)
        }
        frames = len(plan.sampling.times_s)
        assert frames <= told.get("frames are sampled", 40)
        need, weights = plan.memory, plan.memory.weights
        shown.append(plan.tokens.video)
        if not (stock and family in PAIRED):  # there the fewer frames there are, the larger they are
            assert max(need.encode, need.select, need.answer) <= free - weights
            assert plan.tokens.video <= told.get("tokens", plan.tokens.video)
        free = weights + int((free - weights) * 0.9)
    if not (stock and family in PAIRED):
        assert shown == sorted(shown, reverse=True)
        assert shown[-1] < shown[0]


def test_smolvlm_is_told_how_many_frames_it_is_shown(
    models: dict[str, DynFocus], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, told = models["smolvlm"], list[str]()
    family = type(model.model.spec.family)
    original = family.video_text

    def spied(self: Any, video: VideoTokens | None) -> str:
        told.append(original(self, video))
        return told[-1]

    monkeypatch.setattr(family, "video_text", spied)
    for wanted, number in (({}, "three"), ({"rods": True}, "twelve"), ({"stock": True}, "twelve")):
        more = {} if wanted.get("stock") else {"prototypes": 3, "key_ratio": 1.0}
        model.ask(str(DEMO), QUESTION, options({"frames": 12}, **wanted, **more))
        assert f"series of {number} frames" in told[-1]


def test_memory_is_planned_for_the_picture_at_hand(models: dict[str, DynFocus]) -> None:
    memory = models["qwen3_vl"].model.spec.memory
    shape = RunShape(frames=40, video_tokens=400, text_tokens=40, batch=8, key_frames=10)
    large, small = memory.need(shape), memory.need(replace(shape, width=32, height=32))
    assert small.encode < large.encode
    assert small.weights == large.weights
