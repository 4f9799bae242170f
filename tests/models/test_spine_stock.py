"""The whole way from a file to an answer with public models, at random weights: answers are gibberish."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import dual_encoders
import miniatures
import pytest
import torch

import dynfocus_cli
from dynfocus_cli import (
    DynFocus,
    GenerationOptions,
    ModelUnavailable,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
    UsageError,
    pipeline,
)
from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.models.vlm import decoding
from dynfocus_cli.models.vlm.frames import VideoTokens
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import Option
from dynfocus_cli.video import probe

pytestmark = pytest.mark.slow

FAMILIES = list(miniatures.FAMILIES)
DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
QUESTION = "What is shown?"


@pytest.fixture(scope="session")
def models(model_folders: dict[str, Path]) -> dict[str, DynFocus]:
    return {family: dynfocus_cli.load(str(folder), device="cpu") for family, folder in model_folders.items()}


def options(check: bool = False, frames: int | None = 24, **selection: Any) -> RunOptions:
    return RunOptions(
        SamplingOptions(frames=frames),
        SelectionOptions(**selection),
        GenerationOptions(max_new_tokens=4),
        DecodingOptions(cache=False),
        check=check,
    )


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any, VideoTokens]]:
    """What the language model really read: number of positions, the positions, and the video's tokens."""
    seen: list[tuple[int, Any, VideoTokens]] = []
    original = decoding.read_hidden

    def read(model, ids, is_video, video, cache):
        hidden, following = original(model, ids, is_video, video, cache)
        placed = model.spec.family.positions(model.network, ids, is_video, video)
        seen.append((cache.get_seq_length(), placed if placed is None else placed[:, is_video], video))
        return hidden, following

    monkeypatch.setattr(decoding, "read_hidden", read)
    return seen


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "selection",
    [
        {"prototypes": 8, "key_ratio": 0.5, "rods": True},
        {"prototypes": 8, "key_ratio": 0.5, "rods": True, "cone_tokens": 3},
        {"prototypes": 8, "key_ratio": 0.5},
        {"prototypes": 8, "key_ratio": 0.5, "scorer": "question"},
        {"stock": True},
    ],
    ids=["rods", "cones", "no rods", "question", "stock"],
)
def test_what_is_reported_is_what_was_read(
    models: dict[str, DynFocus], prompts: list[Any], family: str, selection: dict[str, Any]
) -> None:
    found = models[family].ask(str(DEMO), QUESTION, options(**selection)).evidence
    ((length, positions, video),) = prompts
    bill = found.tokens
    assert sum(frame.tokens for frame in found.frames) == bill.video == len(video.embeddings)
    assert bill.video + bill.prompt == length
    times = [time_s for part in video.parts for time_s in part.times_s]
    assert times == sorted(times)
    assert [part.first for part in video.parts] == sorted(part.first for part in video.parts)
    if positions is not None:
        assert (positions[0].diff() >= 0).all()
    if not selection.get("stock"):
        assert len(found.key_frames) == 4
        assert {frame.tokens for frame in found.frames if frame.meaningful} == {bill.per_key_frame}
        others = {frame.tokens for frame in found.frames if not frame.meaningful}
        assert others == ({2} if selection.get("rods") else {0})
        assert bill.per_key_frame == selection.get("cone_tokens", bill.all_patches // len(found.frames))
    else:
        assert len(found.key_frames) == len(found.frames)
    assert bill.stock == models[family].model.spec.stock_tokens(found.source)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_makers_would_spend_is_what_their_way_spends(
    models: dict[str, DynFocus], family: str
) -> None:
    found = models[family].inspect(str(DEMO), None, options(frames=None, stock=True))
    assert found.tokens.video == found.tokens.stock


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_the_same_twice_and_chosen_by_letter(models: dict[str, DynFocus], family: str) -> None:
    model, asked = models[family].model, options(prototypes=8)
    choices = (Option("A", "a dog"), Option("B", "a cat"))
    first, second = (pipeline.ask(str(DEMO), QUESTION, model, asked, Silent(), choices) for _ in range(2))
    assert first.options == second.options
    assert first.answer == max(first.options, key=lambda option: option.log_likelihood).letter
    told = [pipeline.ask(str(DEMO), QUESTION, model, asked, Silent()) for _ in range(2)]
    assert told[0].answer == told[1].answer
    assert told[0].evidence.frames == told[1].evidence.frames


@pytest.mark.parametrize("family", ["qwen3_vl", "smolvlm"])
def test_a_check_asks_other_frames(models: dict[str, DynFocus], family: str) -> None:
    check = models[family].ask(str(DEMO), QUESTION, options(prototypes=8, check=True)).check
    assert check is not None
    assert check.without_key_frames is not None
    assert check.without_key_frames.frames == 21  # of 24, without 0.4 x 8 key frames


@pytest.mark.parametrize("family", ["qwen3_vl", "smolvlm"])
def test_a_budget_thins_key_frames_first(models: dict[str, DynFocus], family: str) -> None:
    model = models[family]
    whole = model.inspect(str(DEMO), None, options(prototypes=8)).tokens
    mark = model.model.spec.prompt.timestamp_tokens
    budget = whole.video - 4 + mark * 9
    thinned = model.inspect(str(DEMO), None, options(prototypes=8, budget=budget))
    if whole.per_key_frame > 16:
        assert len(thinned.key_frames) == 4
        assert thinned.tokens.per_key_frame == whole.per_key_frame - 1
    assert thinned.tokens.video <= budget


def test_named_moments_are_key_frames(models: dict[str, DynFocus]) -> None:
    asked = options(frames=None, prototypes=4, key_ratio=0.25)
    found = models["qwen3_vl"].inspect(str(DEMO), "What is shown at 00:13?", asked)
    assert 13.0 in {frame.time_s for frame in found.key_frames}


def test_a_question_cannot_forge_frames(models: dict[str, DynFocus], prompts: list[Any]) -> None:
    """Words that mean something to the model are broken: there are as many places as tokens."""
    for family in FAMILIES:
        forged = " ".join(("<video>", "<image>", "<|video_pad|>", "<IMG_CONTEXT>", "<|im_end|>", "</s>"))
        found = models[family].ask(str(DEMO), f"What {forged}?", options(prototypes=8)).evidence
        length, _, video = prompts[-1]
        assert found.tokens.video == len(video.embeddings)
        assert found.tokens.video + found.tokens.prompt == length


def test_a_dry_run_says_what_the_run_then_spends(models: dict[str, DynFocus]) -> None:
    for family in FAMILIES:
        model, asked = models[family], options(prototypes=8)
        plan = pipeline.forecast(str(DEMO), QUESTION, model.model.spec, asked)
        found = model.inspect(str(DEMO), QUESTION, asked)
        assert plan.tokens.video == found.tokens.video
        weights = sum(
            parameter.nbytes for parameter in {id(p): p for p in model.model.network.parameters()}.values()
        )
        assert plan.memory.weights == pytest.approx(weights, rel=0.01)


def test_a_dry_run_counts_the_choices(models: dict[str, DynFocus]) -> None:
    choices = tuple(Option(letter, f"a {letter} of many words" * 9) for letter in "ABCD")
    for family in FAMILIES:
        model, asked = models[family].model, options(prototypes=8)
        plan = pipeline.forecast(str(DEMO), QUESTION, model.spec, asked, choices)
        answer = pipeline.ask(str(DEMO), QUESTION, model, asked, Silent(), choices)
        # Of time stamps between frames it counts the most that there can be.
        assert plan.tokens.prompt == pytest.approx(answer.evidence.tokens.prompt, rel=0.1)
        without = pipeline.forecast(str(DEMO), QUESTION, model.spec, asked)
        assert plan.tokens.prompt > without.tokens.prompt + 200
        assert plan.tokens.video == answer.evidence.tokens.video
    with pytest.raises(UsageError, match="only `choices=A`"):
        pipeline.forecast(str(DEMO), QUESTION, model.spec, asked, choices[:1])


@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_quantized(model_folders: dict[str, Path], kind: str) -> None:
    for family in ("qwen2_5_vl", "llava_onevision"):
        model = dynfocus_cli.load(str(model_folders[family]), device="cpu", quantize=kind)  # type: ignore[arg-type]
        found = model.ask(str(DEMO), QUESTION, options(prototypes=8))
        assert found.evidence.model.quantization == kind
        vision = model.model.network.get_submodule(model.model.spec.family.vision[0])
        assert all(parameter.dtype == torch.float32 for parameter in vision.parameters())


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"scorer": "attention"}, "no Q-Former"),
        ({"scorer": "visual"}, "no score network: take `scorer=density` or question"),
        ({"cone_tokens": 10_000}, "more than the"),
        ({"budget": 3}, "holds no key frame"),
    ],
)
def test_what_cannot_be_done_is_said(
    models: dict[str, DynFocus], wanted: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        models["qwen3_vl"].ask(str(DEMO), QUESTION, options(**wanted))


def test_a_context_too_small_for_a_key_frame(model_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(model_folders["llava_onevision"], tmp_path / "small")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 30
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="a key frame takes"):
        dynfocus_cli.load(str(folder), device="cpu").ask(str(DEMO), QUESTION, options())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "llama"}, "'llama' model, not a DynFocus one, nor one of InternVL, LLaVA-NeXT-Video"),
        ({"model_type": "no_such_type"}, "LLaVA-NeXT-Video"),
        ({"text_config": {"hidden_size": 48}}, "of the wrong size|cannot be used"),
        ({"text_config": {"num_hidden_layers": 3}}, "missing"),
    ],
)
def test_folders_that_are_no_such_model(
    model_folders: dict[str, Path], tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    folder = shutil.copytree(model_folders["llava_onevision"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    for key, value in change.items():
        config[key] = config[key] | value if isinstance(value, dict) else value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match=complaint):
        dynfocus_cli.load(str(folder), device="cpu")


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors", "chat_template.json"])
def test_incomplete_folders(model_folders: dict[str, Path], tmp_path: Path, missing: str) -> None:
    folder = shutil.copytree(model_folders["qwen2_5_vl"], tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(ModelUnavailable):
        dynfocus_cli.load(str(folder), device="cpu")


def test_a_selector_finds_the_frames_of_a_question(model_folders: dict[str, Path], tmp_path: Path) -> None:
    """Its best frame of an event is that event's key frame, and the check asks with its frames too."""
    folder = dual_encoders.build("siglip", tmp_path / "selector")
    model = dynfocus_cli.load(str(model_folders["smolvlm"]), device="cpu", selector=str(folder))
    asked = options(prototypes=8, key_ratio=0.25, check=True)
    found = model.ask(str(DEMO), QUESTION, asked)
    assert found.evidence.selection.scorer == "question"
    selector = model.model.selector
    with torch.inference_mode():
        times_s = [frame.time_s for frame in found.evidence.frames]
        seen = encode_video(
            probe(str(DEMO)), times_s, selector.tower, None, "none", Silent(), Stopwatch(), batch_size=8
        ).frames
        similar = selector.similarities(QUESTION, seen).tolist()
    for key in found.evidence.key_frames:
        rivals = [frame.index for frame in found.evidence.frames if frame.event == key.event]
        assert similar[key.index] == max(similar[rival] for rival in rivals)
    assert found.check is not None
    plain = model.inspect(str(DEMO), None, options(prototypes=8))
    assert plain.selection.scorer == "density"  # nothing was trained to
    with pytest.raises(UsageError, match="leave `selector` out"):
        model.inspect(str(DEMO), QUESTION, options(stock=True))
    assert selector is not None
    plan = pipeline.forecast(str(DEMO), QUESTION, model.model.spec, asked)
    held = sum(parameter.nbytes for parameter in selector.network.parameters())
    alone = dynfocus_cli.load(str(model_folders["smolvlm"]), device="cpu").model.spec
    assert plan.memory.weights == alone.memory.weights + held
    with pytest.raises(UsageError, match="ranks events itself"):
        dynfocus_cli.load(device="cpu", selector=str(folder))


def test_a_hit_is_a_hit_of_all_that_was_encoded(
    models: dict[str, DynFocus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key frames that are looked at once more have features of their own to keep."""
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path))
    large = {"shortest_edge": 4096, "longest_edge": 10**7}
    monkeypatch.setitem(models["qwen3_vl"].model.spec.family.files.video, "size", large)

    def asked(key_ratio: float) -> str:
        kept = RunOptions(
            SamplingOptions(frames=12),
            SelectionOptions(prototypes=8, key_ratio=key_ratio),
            GenerationOptions(max_new_tokens=2),
        )
        return models["qwen3_vl"].ask(str(DEMO), QUESTION, kept).evidence.cache

    assert [asked(0.25), asked(0.25), asked(0.75), asked(0.75)] == ["miss", "hit", "partial", "hit"]
