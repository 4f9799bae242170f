"""Foreign model folders, made once."""

from __future__ import annotations

from pathlib import Path

import foreign
import pytest
from foreign import Weights


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Weights]]:
    """Layout -> folder and its tensors. Nobody may change them."""
    root = tmp_path_factory.mktemp("originals")
    made = {
        "llama_vid": foreign.write_llama_vid(root / "llama_vid"),
        "inside": foreign.write_llama_vid(root / "inside", tower="inside"),
        "towerless": foreign.write_llama_vid(root / "towerless", tower="left out", shards=3),
        "grid": foreign.write_llama_vid(root / "grid", compress_type="grid:2"),
        "release": foreign.write_llama_vid(root / "release", released=True),
        "instructblip": foreign.write_instructblip(root / "instructblip"),
    }
    return {name: (root / name, weights) for name, weights in made.items()}
