"""How a language model is handed its cache of keys and values."""

from __future__ import annotations

from inspect import signature
from typing import Any

from transformers import DynamicCache


def cached(model: Any, cache: DynamicCache) -> dict[str, Any]:
    """The arguments by which a model reads and fills a cache; transformers renamed the one in 5.24."""
    name = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"
    return {name: cache, "use_cache": True}
