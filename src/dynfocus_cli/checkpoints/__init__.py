"""Models on disk: where they are, and how they are loaded."""

from dynfocus_cli.checkpoints.loading import LoadedModel, load_model
from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL, bundled_models, find_model

__all__ = ["DEFAULT_MODEL", "LoadedModel", "bundled_models", "find_model", "load_model"]
