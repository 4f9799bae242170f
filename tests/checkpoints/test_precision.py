"""What a model computes in, by its size and by what the CPU multiplies fast."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dynfocus_cli.checkpoints import folder as rules
from dynfocus_cli.types import Quantization

CPU = torch.device("cpu")
MEMORY = 16 << 30
SMALL, MIDDLE, LARGE = rules.SMALL_BYTES, MEMORY // 4, MEMORY // 4 + 1


def stored(folder: Path, size: int) -> Path:
    """A model folder whose weights are this large; nothing is written but their length."""
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    return folder


@pytest.mark.parametrize(
    ("emulates", "size", "kind", "expected"),
    [
        (False, SMALL, "none", torch.float32),
        (False, SMALL + 1, "none", torch.bfloat16),
        (True, SMALL, "none", torch.float32),
        (True, SMALL + 1, "none", torch.float32),
        (True, MIDDLE, "none", torch.float32),
        (True, LARGE, "none", torch.bfloat16),
        (True, MIDDLE, "nf4", torch.bfloat16),
    ],
)
def test_a_cpu_that_emulates_bfloat16_computes_in_float32_where_that_fits(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    emulates: bool,
    size: int,
    kind: Quantization,
    expected: torch.dtype,
) -> None:
    monkeypatch.setattr(rules, "emulates_bfloat16", lambda place: emulates)
    monkeypatch.setattr(rules, "whole_memory", lambda: MEMORY)
    assert rules.precision(rules.stored_bytes(stored(tmp_path, size)), CPU, kind) == expected
