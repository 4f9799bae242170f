"""The reference itself: it tells right from wrong, and its models are put together as published ones are."""

from __future__ import annotations

import json
from pathlib import Path

import miniatures
import pytest
import torch
from references import Reference
from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer
from videos import FPS, videos

pytestmark = pytest.mark.slow

Stock = dict[str, dict[str, Reference]]
FAMILIES = list(miniatures.FAMILIES)
TOLERANCE = 1e-4
"""Of the comparisons that this reference is for."""


def _placeholder(reference: Reference) -> int:
    token = miniatures.FAMILIES[reference.folder.name].placeholder
    return int(AutoTokenizer.from_pretrained(reference.folder).convert_tokens_to_ids(token))


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one[-1] - other[-1]).abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_have_the_published_names_and_all_are_found_by_them(
    family: str, model_folders: dict[str, Path]
) -> None:
    from transformers import AutoModelForImageTextToText

    with safe_open(model_folders[family] / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
    for name in names:
        assert any(name.startswith(begin) for begin in miniatures.FAMILIES[family].published), name
    for begin in miniatures.FAMILIES[family].published:
        assert any(name.startswith(begin) for name in names), begin
    _, found = AutoModelForImageTextToText.from_pretrained(model_folders[family], output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert not found["mismatched_keys"]


def test_the_same_seed_makes_the_same_folder(model_folders: dict[str, Path], tmp_path: Path) -> None:
    again = miniatures.build("smolvlm", tmp_path / "smolvlm")
    for file in sorted(model_folders["smolvlm"].iterdir()):
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_frame_has_the_tokens_that_its_size_implies(family: str, stock: Stock) -> None:
    miniature = miniatures.FAMILIES[family]
    for case in ("even", "one", "odd", "swapped", "slower", "quick"):
        reference = stock[family][case]
        groups = -(-reference.video.frames // miniature.together)
        assert (
            reference.count(_placeholder(reference)) == groups * miniature.frame_tokens + miniature.ending
        ), case


@pytest.mark.parametrize(("family", "cell"), [("qwen3_vl", 32), ("qwen2_5_vl", 28)])
@pytest.mark.parametrize("case", ["wide", "resized"])
def test_a_frame_of_another_shape_keeps_it(family: str, cell: int, case: str, stock: Stock) -> None:
    reference = stock[family][case]
    height, width = {
        ("qwen3_vl", "wide"): (64, 96),
        ("qwen3_vl", "resized"): (32, 96),  # both are made smaller, or they would be too many pixels
        ("qwen2_5_vl", "wide"): (84, 140),
        ("qwen2_5_vl", "resized"): (84, 112),
    }[family, case]
    assert reference.count(_placeholder(reference)) == 2 * (height // cell) * (width // cell)


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_in_another_order_give_other_logits(family: str, stock: Stock) -> None:
    even, swapped = stock[family]["even"], stock[family]["swapped"]
    assert torch.equal(even.input_ids, swapped.input_ids)
    assert _apart(even.logits, swapped.logits) > 1000 * TOLERANCE


@pytest.mark.parametrize("family", FAMILIES)
def test_other_times_give_other_logits_where_there_are_times(family: str, stock: Stock) -> None:
    even, slower = stock[family]["even"], stock[family]["slower"]
    assert torch.equal(even.pixels, slower.pixels)
    if miniatures.FAMILIES[family].tells_times:
        assert _apart(even.logits, slower.logits) > 1000 * TOLERANCE
    else:
        assert torch.equal(even.logits, slower.logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_far_from_alike_and_answers_far_from_ties(family: str, stock: Stock) -> None:
    vocabulary = json.loads((stock[family]["even"].folder / "config.json").read_text())
    vocabulary = vocabulary.get("text_config", vocabulary)["vocab_size"]
    for reference in stock[family].values():
        chances = reference.logits.softmax(-1)
        entropy = -(chances * chances.clamp_min(1e-30).log()).sum(-1).mean()
        assert reference.logits.shape == (len(reference.input_ids), vocabulary)
        assert entropy < 0.5 * torch.tensor(float(vocabulary)).log()
        assert reference.margins.min() > 10 * TOLERANCE
        assert len(reference.margins) == len(reference.generated_ids)


def test_answers_are_more_than_one_token_again_and_again(stock: Stock) -> None:
    for family, cases in stock.items():
        assert len(set(cases["even"].generated_ids.tolist())) >= 3, family


def test_qwen3_vl_stamps_pairs_by_their_middles(stock: Stock) -> None:
    told = {case: _text(stock["qwen3_vl"][case]) for case in ("even", "odd", "slower", "quick")}
    pads = "<|vision_start|>" + 4 * "<|video_pad|>" + "<|vision_end|>"
    for case, stamps in {
        "even": ("0.2", "1.2"),
        "odd": ("0.2", "1.2", "2.0"),
        "slower": ("12.5", "62.5"),
        "quick": ("0.1", "0.8", "1.4"),  # of 0.15, 0.75 and 1.35 as floats have them
    }.items():
        assert "".join(f"<{stamp} seconds>{pads}" for stamp in stamps) in told[case]


def test_qwen2_5_vl_turns_frames_by_their_times(stock: Stock) -> None:
    for case, steps in (("even", [0, 2]), ("slower", [0, 100]), ("quick", [0, 1, 2])):
        reference = stock["qwen2_5_vl"][case]
        assert reference.position_ids is not None
        times = reference.position_ids[0][reference.input_ids == _placeholder(reference)]
        assert (times - times.min()).unique().tolist() == steps  # 2 a second, whole ones


def test_smolvlm_is_told_count_length_and_times(stock: Stock) -> None:
    frame = "<fake_token_around_image><global-img>" + 4 * "<image>" + "<fake_token_around_image>"
    for case, (count, length, *times) in {
        "even": ("four", "0:00:02", "00:00", "00:00", "00:01", "00:01"),
        "one": ("one", "0:00:00", "00:00"),
        "slower": ("four", "0:01:40", "00:00", "00:25", "00:50", "01:15"),
        "many": ("twenty-one", "0:00:10", *(f"00:{half // 2:02}" for half in range(21))),
    }.items():
        assert _text(stock["smolvlm"][case]) == (
            f"<|im_start|>User: You are provided the following series of {count} frames from a {length} "
            "[H:MM:SS] video.\n"
            + "".join(f"\nFrame from {time}:{frame}" for time in times)
            + "\n\nWhat happens in the video?<end_of_utterance>\nAssistant:"
        )


def test_internvl_numbers_its_frames(stock: Stock) -> None:
    frames = "\n".join(f"Frame{number}: <img>{9 * '<IMG_CONTEXT>'}</img>" for number in (1, 2, 3, 4))
    assert f"user\n{frames}\nWhat happens" in _text(stock["internvl"]["even"])


@pytest.mark.parametrize("family", ["video_llava", "llava_next_video"])
def test_llama_prompts_begin_with_its_mark(family: str, stock: Stock) -> None:
    reference = stock[family]["one"]
    tokenizer = AutoTokenizer.from_pretrained(reference.folder)
    assert reference.input_ids[0] == tokenizer.bos_token_id
    written = tokenizer.decode(reference.input_ids[1:])
    count = reference.count(_placeholder(reference))
    assert written == f"USER: {count * '<video>'}\nWhat happens in the video? ASSISTANT:"


@pytest.mark.parametrize("family", FAMILIES)
def test_videos_are_even_and_no_frame_is_like_another(family: str) -> None:
    for video in videos(family).values():
        frames = video.pixels
        assert frames.shape == (video.frames, video.height, video.width, 3)
        assert video.seconds == [number * video.step / FPS for number in range(video.frames)]
        assert len({frame.tobytes() for frame in frames}) == video.frames
    assert videos(family)["even"].height == miniatures.FAMILIES[family].side


def _text(reference: Reference) -> str:
    return AutoTokenizer.from_pretrained(reference.folder).decode(reference.input_ids)
