"""The selector that has a name: pulled, listed, described, and used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dual_encoders
import pytest
import torch

from dynfocus_cli.checkpoints import pull_public
from dynfocus_cli.checkpoints.describe import describe, verify
from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.registry import find_model, find_pullable, list_models
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.models.open import load_model
from dynfocus_cli.models.vlm.selector import read_selector_spec
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Quantization
from hub import Hub, serving, take_for_real

ENTRY = ENTRIES["siglip2-base"]
REPOSITORY = ENTRY.repositories[0]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        take_for_real(hub, tmp_path / "cache", monkeypatch)
        monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
        folder = dual_encoders.build("siglip2", tmp_path / "source")
        hub.add(REPOSITORY.id, REPOSITORY.revision, folder, sorted(path.name for path in folder.iterdir()))
        yield hub


def pull(quantization: Quantization | None = None) -> Path:
    hub_id, entry = find_pullable("siglip2-base")
    assert hub_id is not None
    return pull_public.pull_public(hub_id, entry, quantization, Silent())


def state() -> str:
    return {model.name: model.state for model in list_models()}["siglip2-base"]


@pytest.mark.usefixtures("hub")
def test_the_selector_is_pulled_by_its_name() -> None:
    assert state() == "available"
    folder = pull()
    assert state() == "installed"
    assert find_model("siglip2-base") == ("siglip2-base", folder)
    assert find_model(REPOSITORY.id)[1] == folder
    found = describe("siglip2-base", folder)
    assert (found.family, found.licence) == ("SigLIP", "Apache-2.0")
    assert list(found.memory_bytes or {}) == ["none"]
    assert verify(folder, Silent()) == 1
    selector = read_selector_spec("siglip2-base", torch.device("cpu")).load()
    assert selector.text("a dog").norm() == pytest.approx(1)


@pytest.mark.usefixtures("hub")
def test_it_answers_nothing_and_is_not_quantized() -> None:
    with pytest.raises(UsageError, match="runs as it is stored: leave `quantize` out"):
        pull("nf4")
    folder = pull()
    for name in ("siglip2-base", str(folder)):
        with pytest.raises(ModelUnavailable, match=r"is a SigLIP model, .* with `selector`"):
            load_model(name, "cpu")
