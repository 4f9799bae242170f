"""Free memory: the machine's, or the container's where that is less."""

from __future__ import annotations

import math
from pathlib import Path

import psutil
import pytest
import torch

from dynfocus_cli.planning import device

CPU = torch.device("cpu")


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
