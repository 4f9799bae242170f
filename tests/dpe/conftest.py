"""The shared shapes of degenerate input, and the release's recorded behaviour."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

GoldenCase = Callable[[str], tuple[dict[str, Any], dict[str, Tensor]]]


@pytest.fixture(scope="session")
def golden() -> GoldenCase:
    """Description and tensors of a recorded case of the release; see NOTES.md in that folder."""
    default = Path(__file__).parents[2] / ".." / "shared" / "golden"
    folder = Path(os.environ.get("DYNFOCUS_GOLDEN", default))
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"the release's recorded data are not at {folder}; DYNFOCUS_GOLDEN names their folder")
    cases = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["cases"]

    def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return cases[name], load_file(folder / cases[name]["file"])

    return load
