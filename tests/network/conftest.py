"""One small random network for all."""

from __future__ import annotations

import pytest

from builders import small_model, small_prompt
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter


@pytest.fixture(scope="session")
def model() -> DynFocusModel:
    """Shared: no test changes its weights or leaves gradients in it."""
    return small_model()


@pytest.fixture(scope="session")
def prompt(model: DynFocusModel) -> PromptWriter:
    return small_prompt(model.config)
