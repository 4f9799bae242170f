"""Which model answers where none is named: a function of what is installed and what is free, no hardware."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conversions import TINY

from dynfocus_cli.checkpoints.choice import (
    Candidate,
    Choice,
    DeviceKind,
    choose,
    default_model,
    explain_fallback,
    suggestion,
)
from dynfocus_cli.checkpoints.entries import ENTRIES, PREFERRED
from dynfocus_cli.checkpoints.footprint import Footprint, with_head_room
from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.types import Quantization
from public_models import PARAMETERS, write_public

GB = 10**9


def installed(*names: str, run_as: Quantization | None = None) -> list[Candidate]:
    """Models as they would be, were they pulled."""
    found = []
    for name in names:
        footprint = ENTRIES[name].footprint
        assert footprint is not None
        weights = footprint.by_quantization()
        found.append(Candidate(name, Path(name), weights, footprint.parameters, run_as))
    return found


def chosen(candidates: list[Candidate], device: DeviceKind, free: float) -> tuple[str, str | None] | None:
    found = choose(candidates, device, int(free * GB))
    return None if found is None else (found.name, found.quantization)


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (80, ("qwen3-vl-8b", "none")),
        (24, ("qwen3-vl-8b", "none")),
        (11, ("qwen3-vl-8b", "nf4")),
        (7.5, ("qwen3-vl-4b", "nf4")),
        (5, ("smolvlm2-500m", "none")),
        (2, None),
    ],
)
def test_the_best_that_fits_a_gpu(free: float, expected: Any) -> None:
    """A larger model in NF4 comes before a smaller one in 16 bits, and whatever fits in 16 bits runs so."""
    there = installed("smolvlm2-500m", "qwen3-vl-8b", "qwen3-vl-4b")
    assert chosen(there, "cuda", free) == chosen(there[::-1], "cuda", free) == expected


def test_a_cpu_takes_small_ones_alone() -> None:
    there = installed("qwen3-vl-8b", "qwen3-vl-2b", "internvl3-1b", "smolvlm2-500m")
    assert chosen(there, "cpu", 200) == ("smolvlm2-500m", "none")
    assert chosen(there[:-1], "cpu", 200) == ("internvl3-1b", "none")
    assert chosen(there[:-2], "cpu", 200) is None
    assert chosen(there, "cpu", 3) is None


def test_what_it_was_pulled_to_run_in_counts() -> None:
    assert chosen(installed("qwen3-vl-8b", run_as="nf4"), "cuda", 80) == ("qwen3-vl-8b", "nf4")
    assert chosen(installed("qwen3-vl-8b", run_as="none"), "cuda", 11) is None
    assert chosen(installed("smolvlm2-500m", run_as="int8"), "cpu", 8) == ("smolvlm2-500m", "int8")


def test_models_without_an_entry_come_last() -> None:
    def other(name: str, parameters: int | None, **weights: int) -> Candidate:
        return Candidate(name, Path(name), weights, parameters)  # type: ignore[arg-type]

    small = other("org/small", 900_000_000, none=2 * GB, nf4=GB)
    large = other("org/large", 3_000_000_000, none=6 * GB, nf4=2 * GB)
    in_bits = other("org/bits", None, nf4=3 * GB)
    assert chosen([small, large, *installed("smolvlm2-500m")], "cuda", 20) == ("smolvlm2-500m", "none")
    assert chosen([small, large], "cuda", 20) == ("org/large", "none")
    assert chosen([small, large], "cuda", 5) == ("org/large", "nf4")
    assert chosen([small, large], "cpu", 20) == ("org/small", "none")
    assert chosen([in_bits], "cuda", 20) == ("org/bits", "nf4")
    assert chosen([in_bits], "cpu", 20) is None


def test_networks_of_ours() -> None:
    """dynfocus-7b is taken on a GPU after all others; one that somebody converted by its name alone."""
    ours = [Candidate(name, Path(name), {"none": 6 * GB}, public=False) for name in ("dynfocus-7b", "mine")]
    assert choose(ours, "cuda", 20 * GB) == Choice("dynfocus-7b", Path("dynfocus-7b"), None)
    assert choose(ours, "cpu", 20 * GB) is None
    assert choose(ours[1:], "cuda", 20 * GB) is None
    assert chosen([*ours, *installed("video-llava-7b")], "cuda", 20) == ("video-llava-7b", "none")


@pytest.mark.parametrize(
    ("device", "free", "command"),
    [
        ("cpu", 8, "dynfocus models pull smolvlm2-500m"),
        ("cuda", 7.5, "dynfocus models pull qwen3-vl-4b --quantize nf4"),
        ("cuda", 11, "dynfocus models pull qwen3-vl-8b --quantize nf4"),
        ("cuda", 79, "dynfocus models pull qwen3-vl-8b"),
    ],
)
def test_the_notice_names_the_command_for_this_hardware(
    device: DeviceKind, free: float, command: str
) -> None:
    fallback = explain_fallback([], device, int(free * GB))
    assert fallback.offer is not None
    assert fallback.offer.command == command
    assert fallback.offer.bytes == ENTRIES[fallback.offer.name].download_bytes
    said = Choice("dynfocus-tiny", TINY, None, fallback).notice
    assert said.startswith("dynfocus-tiny answers, which knows generated clips alone: no model for any video")
    assert f"`{command}` fetches one for any video" in said


def test_the_notice_says_why_what_is_installed_is_not_taken() -> None:
    fallback = explain_fallback(installed("qwen3-vl-8b", run_as="none"), "cuda", 11 * GB)
    assert fallback.reason == (
        "qwen3-vl-8b is installed, but needs 21.3 GB of free memory, and 11.0 GB are free"
    )
    assert fallback.offer is None  # it is what would be named
    fallback = explain_fallback(installed("qwen3-vl-2b"), "cpu", 11 * GB)
    assert "qwen3-vl-2b is installed, but is too large for a quick answer on a CPU" in fallback.reason
    assert fallback.offer is not None
    assert fallback.offer.name == "smolvlm2-500m"
    fallback = explain_fallback([], "cpu", GB)
    assert fallback.reason.endswith("none that is known fits into 1.0 GB")
    assert fallback.offer is None


def test_every_known_model_fits_what_it_says_it_needs() -> None:
    for name in PREFERRED["cuda"]:
        footprint = ENTRIES[name].footprint
        if footprint is None:
            continue
        card = re.match(r"a CUDA GPU with (\d+) GB", ENTRIES[name].needs)
        assert card is not None
        assert chosen(installed(name), "cuda", 0.92 * 2**30 * int(card[1]) / GB) == (name, "none")
        if quantized := re.search(r"or (\d+) GB in NF4", ENTRIES[name].needs):
            assert chosen(installed(name), "cuda", 0.92 * 2**30 * int(quantized[1]) / GB) == (name, "nf4")


def test_a_suggestion_fits() -> None:
    for free in range(GB, 40 * GB, GB // 2):
        if (found := suggestion("cuda", free)) is not None:
            entry, kind = found
            assert entry.footprint is not None
            assert entry.footprint.room(kind) <= free
    assert Footprint(1000, 600).weights("nf4") == 800 + int(600 * (0.5 + 1 / 64 + 1 / 4096))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_what_is_on_the_disk_is_chosen_from(models: Path) -> None:
    free = 8 * GB
    fallback = default_model("cpu", free)
    assert (fallback.name, fallback.folder, fallback.quantization) == ("dynfocus-tiny", TINY, None)
    assert fallback.fallback is not None
    write_public(models / "org--name", "smolvlm")
    assert default_model("cpu", free) == Choice("org/name", models / "org--name", "none")
    assert default_model("cpu", with_head_room(2 * PARAMETERS) - 1).name == "dynfocus-tiny"
    assert default_model("cpu", with_head_room(2 * PARAMETERS)).name == "org/name"
    # One with an entry comes first, whatever its size; broken ones and networks of ours are passed over.
    write_public(models / "smolvlm2-500m", "smolvlm")
    shutil.copytree(TINY, models / "mine")
    write_public(models / "llava-onevision-0.5b", "llava_onevision")
    (models / "llava-onevision-0.5b" / "tokenizer.json").unlink()
    (models / "llava-onevision-0.5b" / "merges.txt").unlink()
    (models / "internvl3-1b").mkdir()
    (models / "internvl3-1b" / "config.json").write_text("{")
    assert default_model("cpu", free).name == "smolvlm2-500m"
    record = Conversion("SmolVLM", "none", (), (), (), run_as="nf4")
    record.save(models / "smolvlm2-500m")
    assert default_model("cuda", free).quantization == "nf4"


def test_damaged_weights_are_passed_over(models: Path) -> None:
    folder = write_public(models / "smolvlm2-500m", "smolvlm")
    for content in (
        b"",
        b"\xff" * 100,
        (5).to_bytes(8, "little") + b'{"a":',
        (4).to_bytes(8, "little") + b"[{}]",
    ):
        (folder / "model.safetensors").write_bytes(content)
        assert default_model("cpu", 8 * GB).name == "dynfocus-tiny"
