"""A small random network in a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import save_small


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder to read and never to write to."""
    folder = tmp_path_factory.mktemp("saved") / "small"
    save_small(folder)
    return folder
