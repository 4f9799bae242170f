"""Models on disk: where they are, and how they get there."""

from dynfocus_cli.checkpoints.registry import DEFAULT_MODEL, bundled_models, find_model

__all__ = ["DEFAULT_MODEL", "bundled_models", "find_model"]
