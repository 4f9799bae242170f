"""Miniatures of stock video models, and what the stock code makes of the videos: both made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import miniatures
import pytest
from references import Reference
from safetensors.torch import load_file
from videos import videos


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Family -> its model folder. Nobody may change them."""
    root = tmp_path_factory.mktemp("miniatures")
    return {family: miniatures.build(family, root / family) for family in miniatures.FAMILIES}


@pytest.fixture(scope="session")
def stock(
    model_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Reference]]:
    """Family -> case -> reference."""
    results = tmp_path_factory.mktemp("stock")
    done = subprocess.run(
        [sys.executable, "stock.py", next(iter(model_folders.values())).parent, results],
        cwd=Path(__file__).parent,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {
        family: {
            case: Reference(folder, video, **load_file(results / family / f"{case}.safetensors"))
            for case, video in videos(family).items()
        }
        for family, folder in model_folders.items()
    }
