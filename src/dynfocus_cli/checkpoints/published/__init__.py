"""Configs of the models that have an entry, a folder each, so that a run of one that is not here can be
planned.

They have what decides sizes of the published config.json and of the settings for frames, and no more; the
parameters that this comes to are those that the hub states.
"""

from __future__ import annotations

from pathlib import Path


def published_folder(name: str) -> Path:
    """Where the configs of a model that has an entry lie."""
    return Path(__file__).parent / name
