"""What holds for every test: its own home, its own randomness, no settings from outside."""

from __future__ import annotations

import codecs
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("dynfocus", deadline=None)
settings.load_profile("dynfocus")


@pytest.hookimpl(tryfirst=True)  # ahead of skips for other reasons: what must run may not hide
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A `gpu` test without a CUDA GPU is skipped, and fails where DYNFOCUS_REQUIRE_GPU=1 promised one."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if torch.cuda.is_available():
        return
    reason = "needs a CUDA GPU, and torch finds none"
    if os.environ.get("DYNFOCUS_REQUIRE_GPU") == "1":
        pytest.fail(f"DYNFOCUS_REQUIRE_GPU=1: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def nobody() -> Callable[[], AbstractContextManager[None]]:
    """`with nobody():` has no more rights than anybody; root may otherwise read and write everything."""

    @contextmanager
    def without_rights() -> Iterator[None]:
        codecs.lookup("utf-8-sig")  # of settings: nobody may not load it from the home that Python is in
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(before)

    return without_rights


@pytest.fixture(autouse=True)
def _hygiene(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Isolates HOME, the XDG folders and the hub's cache, unsets DYNFOCUS_*, restores the global random
    states; torch has one thread, since small tensors on busy cores are slow on two."""
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    for name in [
        name for name in os.environ if name.startswith("DYNFOCUS_") and name != "DYNFOCUS_REQUIRE_GPU"
    ]:
        monkeypatch.delenv(name)
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")  # imported by no test that can do without
    if torch is not None:
        torch_state, threads = torch.get_rng_state(), torch.get_num_threads()
        torch.manual_seed(0)
        torch.set_num_threads(1)
    yield
    if torch is not None:
        torch.set_rng_state(torch_state)
        torch.set_num_threads(threads)
    random.setstate(python_state)
    np.random.set_state(numpy_state)
