"""What the shell offers where a model is to be named; commands, options and choices it learns from Typer."""

from __future__ import annotations

from contextlib import suppress


def model_names() -> list[tuple[str, str]]:
    """Every model that is here or can be fetched, and what it is."""
    from dynfocus_cli.checkpoints.registry import list_models
    from dynfocus_cli.cli.commands import environment
    from dynfocus_cli.cli.config import load_settings
    from dynfocus_cli.errors import UsageError

    folders: dict[str, str] = {}
    with suppress(UsageError):  # the command itself will say so
        folders = load_settings().folders()
    with environment(folders), suppress(OSError):
        return [(model.name, model.what) for model in list_models()]
    return []


def pullable_names() -> list[tuple[str, str]]:
    """Every model that can be fetched, and what it is."""
    from dynfocus_cli.checkpoints.entries import ENTRIES

    return [(entry.name, entry.what) for entry in ENTRIES.values() if entry.repositories]
