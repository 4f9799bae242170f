"""The release's recorded behaviour: the folder that DYNFOCUS_GOLDEN names, or the smaller copy kept here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from recordings import GoldenCase
from safetensors.torch import load_file
from torch import Tensor

TESTS = Path(__file__).parents[1]
# Read at import: what surrounds every test unsets DYNFOCUS_*.
NAMED = os.environ.get("DYNFOCUS_GOLDEN")
FOLDERS = [Path(NAMED)] if NAMED else [TESTS.parent / ".." / "shared" / "golden", TESTS / "golden"]


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    for folder in FOLDERS:
        if (folder / "manifest.json").is_file():
            return folder
    pytest.fail(f"no manifest.json in {' or '.join(map(str, FOLDERS))}")


@pytest.fixture(scope="session")
def golden(golden_folder: Path) -> GoldenCase:
    """Description and tensors of a recorded case; NOTES.md in the full folder says what each is."""
    cases = json.loads((golden_folder / "manifest.json").read_text(encoding="utf-8"))["cases"]

    def load(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
        file = golden_folder / cases[name]["file"]
        if not file.is_file():
            pytest.skip(f"{file.name} is in the full folder of recordings alone; DYNFOCUS_GOLDEN names it")
        return cases[name], load_file(file)

    return load
