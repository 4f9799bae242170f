"""A miniature of each family of models, a file each, named by its `model_type`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from miniature import Miniature

FAMILIES: dict[str, Miniature] = {
    file.stem: import_module(f"{__name__}.{file.stem}").MINIATURE
    for file in sorted(Path(__file__).parent.glob("[!_]*.py"))
}
"""Model type -> its miniature."""
