"""Clips that are written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from classroom import write_class


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file on four clips; to read and never to write to."""
    return write_class(tmp_path_factory.mktemp("class") / "clips")
