"""Free memory: the machine's, or the container's where that is less."""

from __future__ import annotations

import math
from pathlib import Path

import psutil
import pytest
import torch

from dynfocus_cli import device

CPU = torch.device("cpu")
GPU, FIRST, SECOND = torch.device("cuda"), torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group of this process, as files that a test writes."""
    own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    folder = tmp_path / own.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.current").write_text("700\n")
    (folder / "memory.stat").write_text("anon 300\ninactive_file 150\nactive_file 9\n")
    monkeypatch.setattr(device, "CGROUPS", tmp_path)
    return folder


def test_a_containers_limit_counts(group: Path) -> None:
    (group / "memory.max").write_text("1000\n")
    assert device.free_memory(CPU) == 1000 - 700 + 150
    (group / "memory.max").write_text("500\n")
    assert device.free_memory(CPU) == 0


@pytest.mark.parametrize("limit", ["max\n", "", None])
def test_without_a_limit_the_machine_counts(group: Path, limit: str | None) -> None:
    if limit is not None:
        (group / "memory.max").write_text(limit)
    assert device._container_limit() == math.inf
    assert device.free_memory(CPU) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_whole_memory_is_the_limit_however_much_is_taken(group: Path) -> None:
    (group / "memory.max").write_text("1000\n")
    assert device.whole_memory() == 1000
    (group / "memory.max").write_text("max\n")
    assert device.whole_memory() == psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("machine", "capability", "emulates"),
    [
        ("x86_64", "AVX2", True),
        ("AMD64", "DEFAULT", True),
        ("x86_64", "AVX512", False),
        ("arm64", "DEFAULT", False),
    ],
)
def test_x86_without_avx512_emulates_bfloat16(
    monkeypatch: pytest.MonkeyPatch, machine: str, capability: str, emulates: bool
) -> None:
    monkeypatch.setattr(device.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert device.emulates_bfloat16(CPU) is emulates
    assert not device.emulates_bfloat16(torch.device("cuda"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (CPU, CPU, True),
        (CPU, torch.device("cpu", 0), True),
        (GPU, FIRST, True),
        (FIRST, GPU, True),
        (GPU, GPU, True),
        (GPU, SECOND, False),
        (FIRST, SECOND, False),
        (CPU, GPU, False),
        (CPU, FIRST, False),
    ],
)
def test_a_gpu_without_a_number_is_the_first(one: torch.device, other: torch.device, same: bool) -> None:
    assert device.same_device(one, other) is same


@pytest.mark.parametrize(
    ("weights", "place", "count"),
    [(device.SMALL_BYTES, CPU, 1), (device.SMALL_BYTES + 1, CPU, 3), (1, GPU, 3)],
)
def test_a_small_network_on_a_cpu_has_one_thread(weights: int, place: torch.device, count: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with device.threads_for(weights, place):
            assert torch.get_num_threads() == count
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
