"""Models on disk: where they are, and how they are loaded.

Names load on first use: `dynfocus models list` needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints.loading import load_model, outline_model, plan_model
    from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL, bundled_models, find_model

__all__ = ["DEFAULT_MODEL", "bundled_models", "find_model", "load_model", "outline_model", "plan_model"]

_LOADING = ("load_model", "outline_model", "plan_model")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{'loading' if name in _LOADING else 'registry'}"), name)
