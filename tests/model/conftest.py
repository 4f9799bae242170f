"""One small random network for all, on one thread, with randomness of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from builders import save_small, small_model, small_prompt

from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter


@pytest.fixture(autouse=True)
def one_thread_and_own_randomness() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)
    torch.set_num_threads(threads)


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
