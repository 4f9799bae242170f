"""The settings of a run, as `run.json` has them: some hold others, as `model` holds `revision`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting in which runs differ."""

    name: str
    """Fields within fields are joined by dots: `model.revision`."""
    values: tuple[Any, ...]
    """One a run; None where a run has none."""


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name and value of each setting, in their order; names of fields within fields are joined by dots.

    {"model": {"name": "a"}} -> ("model.name", "a")
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def setting_differences(settings: Sequence[Mapping[str, Any]]) -> Iterator[SettingDifference]:
    """The settings that are not the same in all runs, in the order in which they first stand."""
    runs = [dict(flat_settings(one)) for one in settings]
    for name in dict.fromkeys(name for run in runs for name in run):
        values = tuple(run.get(name) for run in runs)
        if any(value != values[0] for value in values):
            yield SettingDifference(name, values)
