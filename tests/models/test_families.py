"""A family is one file: it registers itself, and is listed without being imported."""

from __future__ import annotations

import subprocess
import sys

import miniatures
import pytest

from dynfocus_cli.checkpoints.families import FAMILIES
from dynfocus_cli.models.families import family_class


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_file_holds_its_family(model_type: str) -> None:
    family = family_class(model_type)
    assert family.__module__ == f"dynfocus_cli.models.families.{model_type}"
    assert family.title == FAMILIES[model_type]


def test_each_family_has_a_miniature() -> None:
    assert miniatures.FAMILIES.keys() == FAMILIES.keys()


def test_families_are_listed_without_torch() -> None:
    program = (
        "import sys, dynfocus_cli.checkpoints.families as it; print(len(it.FAMILIES), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(FAMILIES)), "False"]
