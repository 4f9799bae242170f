"""A worker that has another model than the driver loads none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from dynfocus_cli.batch.same_model import SameModel
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import ModelInfo

INFO = ModelInfo("dynfocus-tiny", "dynfocus", "0123abcd", "none", "cpu", config="f00d")


@dataclass(frozen=True)
class Model:
    info: ModelInfo


def test_the_same_model_on_another_device_will_do() -> None:
    there = Model(replace(INFO, device="cuda"))
    assert SameModel(lambda: there, INFO)() is there


@pytest.mark.parametrize(
    "other", [{"name": "b"}, {"revision": "9999"}, {"config": "beef"}, {"quantization": "nf4"}], ids=str
)
def test_another_model_is_named_with_what_was_expected(other: dict[str, str]) -> None:
    there = Model(replace(INFO, **other))
    with pytest.raises(ModelUnavailable, match=r"another model .*`model`") as raised:
        SameModel(lambda: there, INFO)()
    assert next(iter(other.values())) in str(raised.value)
    assert "dynfocus-tiny 0123abcd f00d none" in str(raised.value)
