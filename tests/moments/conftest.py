"""Dual encoders of random weights, which the tests of models make."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))


@pytest.fixture(scope="session")
def dual_encoder_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind -> its model folder. Nobody may change them."""
    import dual_encoders
    import torch

    torch.manual_seed(0)  # some weights are only drawn at random
    root = tmp_path_factory.mktemp("dual")
    return {kind: dual_encoders.build(kind, root / kind) for kind in dual_encoders.KINDS}
