"""One small random network for all."""

from __future__ import annotations

import pytest

from builders import save_small, small_model, small_prompt
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter


@pytest.fixture(scope="session")
def model() -> DynFocusModel:
    """Shared: no test changes its weights or leaves gradients in it."""
    return small_model()


@pytest.fixture(scope="session")
def prompt(model: DynFocusModel) -> PromptWriter:
    return small_prompt(model.config)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory):
    """A model folder to read and never to write to."""
    folder = tmp_path_factory.mktemp("saved") / "small"
    save_small(folder)
    return folder
