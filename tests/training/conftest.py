"""Clips that are written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_trainings import write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file on four clips; to read and never to write to."""
    return write_data(tmp_path_factory.mktemp("class") / "clips")
