"""The release's recorded behaviour: of tests/golden/, or of the folder that DYNFOCUS_GOLDEN names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recordings import FULL_RECORDINGS, GoldenCase
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(FULL_RECORDINGS or Path(__file__).parents[1] / "golden")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def golden(golden_folder: Path) -> GoldenCase:
    """Description and tensors of a recorded case; tests/golden/regenerate.py says what was left out."""
    cases = json.loads((golden_folder / "manifest.json").read_text(encoding="utf-8"))["cases"]

    def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return cases[name], load_file(golden_folder / cases[name]["file"])

    return load
